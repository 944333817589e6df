// What C++ shares between files: inline functions and variables, templates, static locals of inline
// functions, virtual tables, type information compared with the other file's, thread_local
// variables with constructors, anonymous namespaces of one name, virtual bases with thunks.
// FILES: parts/cpp_two_files_2.cpp
// ALIAS: _ZTH10per_thread=__tls_init
// LINK: stdc++
#include "parts/cpp_two_files.h"
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <typeindex>
#include <unordered_map>
#include <variant>
#include <vector>

namespace {
int same_name() { return 1; }
struct Local {
    virtual int id() const { return 10; }
};
} // namespace

struct Left : virtual Shape {
    int l = 1;
    int area() const override { return 100 + l; }
};
struct Right : virtual Shape {
    int r = 2;
    virtual Right *self() { return this; }
};
struct Bottom : Left, Right {
    int b = 3;
    int area() const override { return Left::area() + r + b; }
    Bottom *self() override { return this; }
};

int main() {
    printf("%d %d\n", same_name(), other_same_name());
    printf("%d %d %d\n", counter(), other_counter(), counter());
    printf("%d %d\n", &inline_variable == other_inline_variable(), ++inline_variable);
    printf("%d %d\n", pick<int>(1, 2), other_pick());
    printf("%d\n", &pick<long> == other_pick_address());
    std::unique_ptr<Shape> square(make_square(5));
    printf("%d %d\n", square->area(), typeid(*square) == other_square_type());
    printf("%d %d\n", dynamic_cast<Square *>(square.get()) != nullptr,
           dynamic_cast<Bottom *>(square.get()) != nullptr);
    Bottom bottom;
    Shape *shape = &bottom;
    Right *right = &bottom;
    printf("%d %d %d\n", shape->area(), right->self() == right, right->area());
    printf("%d\n", dynamic_cast<Left *>(right) == &bottom);
    printf("%d %s\n", Local().id() + other_local_id(), typeid(Local).name());
    printf("%d\n", per_thread.value + other_per_thread());
    int (Shape::*method)() const = &Shape::area;
    printf("%d\n", (shape->*method)());
    std::map<std::string, int> words;
    std::istringstream in("a b a c b a");
    for (std::string w; in >> w;)
        words[w]++;
    for (auto &[w, n] : words)
        std::cout << w << ' ' << n << '\n';
    std::function<int(int)> twice = [&](int x) { return x * 2 + bottom.b; };
    std::variant<int, std::string> either = "text";
    std::cout << twice(4) << ' ' << std::get<std::string>(either) << ' '
              << std::visit([](auto &v) { return sizeof v > sizeof(int); }, either) << std::endl;
    std::unordered_map<std::type_index, int> types{{typeid(int), 1}, {typeid(Square), 2}};
    std::cout << types[other_square_type()] << '\n';
    std::vector<std::shared_ptr<Shape>> shapes;
    for (int i = 0; i < 3; i++)
        shapes.emplace_back(make_square(i));
    shapes.clear();
    printf("%d\n", Shape::alive);
    return 0;
}
