// Shared by the two files of cpp_two_files.cpp.
#pragma once
#include <typeinfo>

struct Shape {
    static inline int alive = 0;
    Shape() { alive++; }
    Shape(const Shape &) { alive++; }
    virtual ~Shape() { alive--; }
    virtual int area() const { return 0; }
};
struct Square : Shape {
    int side;
    explicit Square(int s) : side(s) {}
    int area() const override { return side * side; }
};
inline int inline_variable = [] { return 41; }();
inline int counter() {
    static int calls = 100;
    return ++calls;
}
template <class T> T pick(T a, T b) { return a < b ? b : a; }
struct PerThread {
    int value;
    PerThread() : value(7) {}
};
inline thread_local PerThread per_thread;

int other_same_name();
int other_counter();
int *other_inline_variable();
int other_pick();
long (*other_pick_address())(long, long);
Shape *make_square(int side);
const std::type_info &other_square_type();
int other_local_id();
int other_per_thread();
