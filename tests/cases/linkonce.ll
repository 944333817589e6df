; linkonce, linkonce_odr, weak_odr and COMDAT over two files: one winner each, and one address.
; FILES: parts/linkonce_2.ll
declare i32 @printf(ptr, ...)
@fmt = private constant [13 x i8] c"%d %d %d %d\0A\00"

$group = comdat any
$data = comdat any

@data = linkonce_odr global i32 5, comdat
@group.local = internal global i32 9, comdat($group)

define linkonce i32 @once() {
  ret i32 1
}
define linkonce_odr i32 @once_odr() {
  ret i32 2
}
define weak_odr i32 @weak_odr() {
  ret i32 3
}
define linkonce_odr i32 @group() noinline comdat {
  %v = load i32, ptr @group.local
  %n = add i32 %v, 1
  store i32 %n, ptr @group.local
  ret i32 %n
}

declare i32 @second_sum()
declare i32 @second_group()
declare ptr @second_once_address()
declare ptr @second_data_address()

define i32 @main() {
  %a = call i32 @once()
  %b = call i32 @once_odr()
  %c = call i32 @weak_odr()
  %d = call i32 @group()
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b, i32 %c, i32 %d)
  %e = call i32 @second_sum()
  %f = call i32 @second_group()
  %oa = call ptr @second_once_address()
  %eq = icmp eq ptr %oa, @once
  %eqi = zext i1 %eq to i32
  %da = call ptr @second_data_address()
  %deq = icmp eq ptr %da, @data
  %deqi = zext i1 %deq to i32
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %e, i32 %f, i32 %eqi, i32 %deqi)
  ret i32 0
}
