// Solves the DIMACS file that is the last argument: prints whether it has a solution, the first
// variables of it, and how hard it was. The exit code is 10 or 20, as solvers have it.
#include <zlib.h>

#include <climits>
#include <cstdio>

#include "minisat/core/Dimacs.h"
#include "minisat/simp/SimpSolver.h"
#include "minisat/utils/Options.h"

using namespace Minisat;

static IntOption shown("MAIN", "shown", "How many variables are printed.", 60, IntRange(0, INT_MAX));
static IntOption rounds("MAIN", "rounds", "How often it is solved.", 1, IntRange(1, INT_MAX));

// MiniSat's own exception, through a frame with something to destroy.
static int too_much(int have) {
  vec<char> some(have);
  vec<char> more(10);
  more.capacity(INT_MAX); // more than there can be: sizes are even
  return some.size();
}

static bool satisfies(gzFile file, const SimpSolver &solver) {
  StreamBuffer in(file);
  while (*in == 'c' || *in == 'p') skipLine(in);
  for (skipWhitespace(in); *in != EOF; skipWhitespace(in)) {
    bool satisfied = false;
    for (int literal; (literal = parseInt(in)) != 0;) {
      Var variable = (literal < 0 ? -literal : literal) - 1;
      satisfied |= solver.model[variable] == (literal > 0 ? l_True : l_False);
    }
    if (!satisfied) return false;
  }
  return true;
}

// Reads and solves the formula; says what was found.
static bool solve(gzFile in) {
  gzrewind(in);
  SimpSolver solver;
  parse_DIMACS(in, solver, true);
  bool solved = solver.eliminate(true) && solver.solve();
  std::printf("%s\n", solved ? "satisfiable" : "unsatisfiable");
  for (int i = 0; solved && i < solver.nVars() && i < shown; ++i)
    std::printf("%s%d ", solver.model[i] == l_True ? "" : "-", i + 1);
  std::printf("\n%lu conflicts, %lu decisions, %lu propagations\n", (unsigned long)solver.conflicts,
              (unsigned long)solver.decisions, (unsigned long)solver.propagations);
  if (solved) {
    gzrewind(in);
    std::printf("every clause is satisfied: %d\n", satisfies(in, solver));
  }
  return solved;
}

int main(int argc, char **argv) {
  setUsageHelp("USAGE: %s [options] FILE\n");
  parseOptions(argc, argv, true);
  gzFile in = argc == 2 ? gzopen(argv[1], "rb") : nullptr;
  if (in == nullptr) {
    std::printf("can't open the file\n");
    return 2;
  }
  bool solved = false;
  for (int i = 0; i < rounds; ++i) solved = solve(in);
  gzclose(in);
  try {
    std::printf("%d\n", too_much(1000));
  } catch (const OutOfMemoryException &) {
    std::printf("out of memory, as expected\n");
  }
  return solved ? 10 : 20;
}
