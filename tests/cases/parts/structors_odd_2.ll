; The second file of structors_odd.ll.
declare void @say_ctor(i32)
declare void @say_dtor(i32)
$inline_var = comdat any
@inline_var = linkonce_odr global i32 0, comdat
@llvm.global_ctors = appending global [2 x { i32, ptr, ptr }] [
  { i32, ptr, ptr } { i32 65535, ptr @c21, ptr null },
  { i32, ptr, ptr } { i32 65535, ptr @init_inline, ptr @inline_var }]
@llvm.global_dtors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @d21, ptr null }]
define internal void @c21() {
  call void @say_ctor(i32 21)
  ret void
}
define internal void @d21() {
  call void @say_dtor(i32 21)
  ret void
}
define internal void @init_inline() comdat($inline_var) {
  %v = load i32, ptr @inline_var
  %n = add i32 %v, 10
  store i32 %n, ptr @inline_var
  ret void
}
define weak void @c_weak() {
  call void @say_ctor(i32 66)
  ret void
}
