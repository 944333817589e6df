; COMDATs of both kinds that ELF has, aliases of aliases in and across them, hidden and protected
; members, a COMDAT whose key is a variable, one that the other file wins with all its members.
; FILES: parts/comdat_aliases_2.ll
; ALIAS: group=group_c
; ALIAS: group_a=group_c
; ALIAS: group_b=group_c
; ALIAS: group_a=group
; ALIAS: group_b=group
; ALIAS: group_c=group
; ALIAS: constructor_complete=constructor_base
declare i32 @printf(ptr, ...)
@fmt = private constant [13 x i8] c"%d %d %d %d\0A\00"

$group = comdat any
$data = comdat any
$each = comdat nodeduplicate
$later = comdat any

@data = linkonce_odr hidden global i32 5, comdat
@data_alias = linkonce_odr hidden alias i32, ptr @data
@each = internal global i32 7, comdat
@beside = internal global [2 x i32] [i32 1, i32 2], comdat($group)
@middle = alias i32, getelementptr ([2 x i32], ptr @beside, i64 0, i64 1)

define linkonce_odr protected i32 @group() noinline comdat {
  %v = load i32, ptr @middle
  %n = add i32 %v, 100
  store i32 %n, ptr @middle
  ret i32 %n
}
@group_a = weak_odr alias i32 (), ptr @group
@group_b = weak_odr alias i32 (), ptr @group_a
@group_c = alias i32 (), ptr @group_b

define linkonce_odr i32 @later() noinline comdat {
  %v = call i32 @later_local()
  ret i32 %v
}
define internal i32 @later_local() comdat($later) {
  ret i32 11
}
define linkonce_odr dso_local i32 @constructor_base(i32 %x) noinline comdat($group) {
  %r = add i32 %x, 3
  ret i32 %r
}
@constructor_complete = linkonce_odr alias i32 (i32), ptr @constructor_base

declare i32 @second(i32)
declare ptr @second_group()
declare ptr @second_data()

define i32 @main() {
  %a = call i32 @group()
  %b = call i32 @group_a()
  %c = call i32 @group_b()
  %d = call i32 @group_c()
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b, i32 %c, i32 %d)
  %e = call i32 @second(i32 1)
  %f = call i32 @later()
  %g = call i32 @constructor_complete(i32 4)
  %h = load i32, ptr @data_alias
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %e, i32 %f, i32 %g, i32 %h)
  %ga = call ptr @second_group()
  %same = icmp eq ptr %ga, @group_c
  %si = zext i1 %same to i32
  %da = call ptr @second_data()
  store i32 55, ptr %da
  %i = load i32, ptr @data
  %eq = icmp eq ptr @group_a, @group_b
  %eqi = zext i1 %eq to i32
  %j = load i32, ptr @each
  %p2 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %si, i32 %i, i32 %eqi, i32 %j)
  ret i32 0
}
