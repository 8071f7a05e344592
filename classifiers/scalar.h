// To be included before anything else: structures are copied word by word.
//
// A parser moves its cursors' words and then hands them on whole. Copied by vector registers, as
// gcc does with structures, such a cursor is read in other pieces than it was written in, which
// waits until all that was stored before has reached the cache; behind a fresh state's zeros that
// is the time of a message.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("general-regs-only")
#endif
