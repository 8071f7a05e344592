// Lines for the operator, and the one that the next replaces.
#include "core/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void test_status(void **)
{
	char said[256] = "";
	FILE *file = tmpfile();
	int terminal = dup(STDERR_FILENO);

	assert_true(file != NULL && terminal >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
	log_status_end(); // there is none
	log_status("%d packets", 1);
	log_status("%d packets", 2);
	log_error("eth%d is down", 0);
	log_info("eth0 is up again");
	log_status("%d packets", 3);
	log_status_end();
	assert_true(dup2(terminal, STDERR_FILENO) >= 0);
	close(terminal);
	assert_true(pread(fileno(file), said, sizeof(said) - 1, 0) > 0);
	fclose(file);
	assert_string_equal(said,
		"\rweir: 1 packets \rweir: 2 packets \n"
		"weir: error: eth0 is down\n"
		"weir: eth0 is up again\n"
		"\rweir: 3 packets \n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_status)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
