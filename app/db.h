/* "shrike db": the schema of the sink elasticsearch. */
#ifndef DB_H
#define DB_H

#include "options.h"

/* 'argv' begins with "db". */
enum exit_code db_main(int argc, char **argv);

#endif
