#include "cpp_two_files.h"

namespace {
int same_name() { return 2; }
struct Local {
    virtual int id() const { return 20; }
};
} // namespace
int other_same_name() { return same_name(); }
int other_counter() { return counter(); }
int *other_inline_variable() { return &inline_variable; }
int other_pick() { return pick<int>(30, 20); }
long (*other_pick_address())(long, long) { return &pick<long>; }
Shape *make_square(int side) { return new Square(side); }
const std::type_info &other_square_type() { return typeid(Square); }
int other_local_id() {
    Local l;
    const Local &r = l;
    return r.id();
}
int other_per_thread() { return per_thread.value++; }
