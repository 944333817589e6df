; llvm.global_ctors and llvm.global_dtors in odd shapes: a null function, which ends the list, all priorities, ones of
; equal priority in order, associated data that lost its election, the same function twice, an
; alias and a weak function as constructors.
; FILES: parts/structors_odd_2.ll
declare i32 @printf(ptr, ...)
declare i32 @puts(ptr)
@text = private constant [3 x i8] c"%d\00"
@ctor_fmt = private constant [9 x i8] c"ctor %d\0A\00"
@dtor_fmt = private constant [9 x i8] c"dtor %d\0A\00"
@main_text = private constant [5 x i8] c"main\00"

$inline_var = comdat any
@inline_var = linkonce_odr global i32 0, comdat
@guard = linkonce_odr global i64 0, comdat($inline_var)

@llvm.global_ctors = appending global [8 x { i32, ptr, ptr }] [
  { i32, ptr, ptr } { i32 65535, ptr @c1, ptr null },
  { i32, ptr, ptr } { i32 101, ptr @c2, ptr null },
  { i32, ptr, ptr } { i32 65535, ptr @c3, ptr null },
  { i32, ptr, ptr } { i32 65534, ptr @c4, ptr null },
  { i32, ptr, ptr } { i32 65535, ptr @c1, ptr null },
  { i32, ptr, ptr } { i32 200, ptr @c_alias, ptr null },
  { i32, ptr, ptr } { i32 65535, ptr @c_weak, ptr null },
  { i32, ptr, ptr } { i32 65535, ptr @init_inline, ptr @inline_var }]
@llvm.global_dtors = appending global [5 x { i32, ptr, ptr }] [
  { i32, ptr, ptr } { i32 65535, ptr @d1, ptr null },
  { i32, ptr, ptr } { i32 65535, ptr @d2, ptr null },
  { i32, ptr, ptr } { i32 150, ptr @d3, ptr null },
  { i32, ptr, ptr } { i32 65535, ptr null, ptr null },
  { i32, ptr, ptr } { i32 65535, ptr @never, ptr null }]

define void @say_ctor(i32 %n) {
  %p = call i32 (ptr, ...) @printf(ptr @ctor_fmt, i32 %n)
  ret void
}
define void @say_dtor(i32 %n) {
  %p = call i32 (ptr, ...) @printf(ptr @dtor_fmt, i32 %n)
  ret void
}
define internal void @c1() {
  call void @say_ctor(i32 1)
  ret void
}
define internal void @c2() {
  call void @say_ctor(i32 2)
  ret void
}
define internal void @c3() {
  call void @say_ctor(i32 3)
  ret void
}
define internal void @c4() {
  call void @say_ctor(i32 4)
  ret void
}
define internal void @c5() {
  call void @say_ctor(i32 5)
  ret void
}
@c_alias = internal alias void (), ptr @c5
define weak void @c_weak() {
  call void @say_ctor(i32 6)
  ret void
}
define internal void @init_inline() comdat($inline_var) {
  %v = load i32, ptr @inline_var
  %n = add i32 %v, 1
  store i32 %n, ptr @inline_var
  ret void
}
define internal void @d1() {
  call void @say_dtor(i32 1)
  ret void
}
define internal void @d2() {
  call void @say_dtor(i32 2)
  ret void
}
define internal void @never() {
  call void @say_dtor(i32 -1)
  ret void
}
define internal void @d3() {
  call void @say_dtor(i32 3)
  ret void
}
define i32 @main() {
  %p0 = call i32 @puts(ptr @main_text)
  %v = load i32, ptr @inline_var
  %p1 = call i32 (ptr, ...) @printf(ptr @ctor_fmt, i32 %v)
  ret i32 0
}
