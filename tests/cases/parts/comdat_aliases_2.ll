; The second file of comdat_aliases.ll.
$group = comdat any
$data = comdat any
$each = comdat nodeduplicate
$later = comdat any
@data = linkonce_odr hidden global i32 5, comdat
@each = internal global i32 8, comdat
@beside = internal global [2 x i32] [i32 1000, i32 2000], comdat($group)

define linkonce_odr protected i32 @group() noinline comdat {
  %v = load i32, ptr getelementptr ([2 x i32], ptr @beside, i64 0, i64 1)
  ret i32 %v
}
@group_a = weak_odr alias i32 (), ptr @group
@group_b = weak_odr alias i32 (), ptr @group_a

define linkonce_odr i32 @later() noinline comdat {
  %v = call i32 @later_local()
  ret i32 %v
}
define internal i32 @later_local() comdat($later) {
  ret i32 12
}
define linkonce_odr dso_local i32 @constructor_base(i32 %x) noinline comdat($group) {
  ret i32 0
}
@constructor_complete = linkonce_odr alias i32 (i32), ptr @constructor_base

define i32 @second(i32 %x) {
  %a = call i32 @group_b()
  %b = call i32 @later()
  %c = call i32 @constructor_complete(i32 %x)
  %d = load i32, ptr @each
  %s1 = mul i32 %a, 1000
  %s2 = mul i32 %b, 100
  %s3 = mul i32 %c, 10
  %s4 = add i32 %s1, %s2
  %s5 = add i32 %s3, %d
  %s6 = add i32 %s4, %s5
  ret i32 %s6
}
define ptr @second_group() {
  ret ptr @group
}
define ptr @second_data() {
  ret ptr @data
}
