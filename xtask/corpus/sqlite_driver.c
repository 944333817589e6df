/* Runs the SQL in the file named by the first argument, on the database named by the second (in
   memory without), and prints each row; as often as the third says. The exit code is the number of
   statements that failed. */
#include <stdio.h>
#include <stdlib.h>

#include "sqlite3.h"

static char *read_all(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *text = malloc((size_t)size + 1);
  if (text != NULL) text[fread(text, 1, (size_t)size, file)] = 0;
  fclose(file);
  return text;
}

static void print_row(sqlite3_stmt *statement) {
  int columns = sqlite3_column_count(statement);
  for (int i = 0; i < columns; i++) {
    const unsigned char *text = sqlite3_column_text(statement, i);
    printf("%s%s", i == 0 ? "" : "|", text == NULL ? "NULL" : (const char *)text);
  }
  putchar('\n');
}

static int run(sqlite3 *db, const char *rest) {
  int failed = 0;
  while (*rest != 0) {
    sqlite3_stmt *statement;
    int status = sqlite3_prepare_v2(db, rest, -1, &statement, &rest);
    if (status == SQLITE_OK && statement == NULL) break; /* blanks or a comment at the end */
    if (status == SQLITE_OK) {
      while ((status = sqlite3_step(statement)) == SQLITE_ROW) print_row(statement);
      status = sqlite3_finalize(statement);
    } else {
      while (*rest != 0 && *rest++ != ';') {
      }
    }
    if (status != SQLITE_OK) {
      printf("error %d: %s\n", status, sqlite3_errmsg(db));
      failed++;
    }
  }
  return failed;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: sqlite FILE.sql [DATABASE [ROUNDS]]\n");
    return 2;
  }
  char *text = read_all(argv[1]);
  sqlite3 *db;
  if (text == NULL || sqlite3_open(argc > 2 ? argv[2] : ":memory:", &db) != SQLITE_OK) {
    fprintf(stderr, "sqlite: can't open %s\n", text == NULL ? argv[1] : argv[2]);
    return 1;
  }
  int failed = 0;
  for (int rounds = argc > 3 ? atoi(argv[3]) : 1; rounds > 0; rounds--) failed += run(db, text);
  sqlite3_close(db);
  free(text);
  return failed;
}
