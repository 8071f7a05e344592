// The command `weir read`: records of segments, or of delimited rows, as JSON lines.
#pragma once

// Returns the exit status: 0 all fine; 1 something was damaged, the rest was printed; 2 nothing
// could be read, or wrong use.
int command_read(int argc, char **argv);
