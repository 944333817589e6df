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
define i32 @second_group() {
  %r = call i32 @group()
  ret i32 %r
}
define i32 @second_sum() {
  %a = call i32 @once()
  %b = call i32 @once_odr()
  %c = call i32 @weak_odr()
  %d = load i32, ptr @data
  %s1 = add i32 %a, %b
  %s2 = add i32 %s1, %c
  %s3 = add i32 %s2, %d
  ret i32 %s3
}
define ptr @second_once_address() {
  ret ptr @once
}
define ptr @second_data_address() {
  ret ptr @data
}
