/* Linked into generated programs: how many memory maps the process has, and how many of them are
   writable and executable at once. */
#include <stdio.h>
#include <string.h>

void report_maps(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096];
  int total = 0, rwx = 0, executable = 0;
  if (maps == NULL) return;
  while (fgets(line, sizeof line, maps) != NULL) {
    const char *mode = strchr(line, ' ');
    if (mode == NULL) continue;
    total++;
    executable += mode[3] == 'x';
    rwx += mode[2] == 'w' && mode[3] == 'x';
  }
  fclose(maps);
  printf("maps %d executable %d rwx %d\n", total, executable, rwx);
}
