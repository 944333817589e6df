; preserve_mostcc and preserve_allcc functions called for the first time from code that keeps
; everything in registers: the first call must not disturb even those that C may clobber.
declare i32 @printf(ptr, ...)
@fmt = private constant [8 x i8] c"%ld %f\0A\00"
@count = global i64 0

define preserve_allcc void @all() noinline {
  %v = load i64, ptr @count
  %n = add i64 %v, 1
  store i64 %n, ptr @count
  ret void
}
define preserve_mostcc void @most() noinline {
  %v = load i64, ptr @count
  %n = add i64 %v, 10
  store i64 %n, ptr @count
  ret void
}
define void @work(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, double %x, double %y, double %z) noinline {
  %1 = mul i64 %a, 3
  %2 = mul i64 %b, 5
  %3 = mul i64 %c, 7
  %4 = mul i64 %d, 9
  %5 = fmul double %x, 1.5
  %6 = fmul double %y, 2.5
  call preserve_allcc void @all()
  call preserve_mostcc void @most()
  %s1 = add i64 %1, %2
  %s2 = add i64 %s1, %3
  %s3 = add i64 %s2, %4
  %s4 = add i64 %s3, %e
  %s5 = add i64 %s4, %f
  %n = load i64, ptr @count
  %s6 = add i64 %s5, %n
  %t1 = fadd double %5, %6
  %t2 = fadd double %t1, %z
  %p = call i32 (ptr, ...) @printf(ptr @fmt, i64 %s6, double %t2)
  ret void
}
define i32 @main() {
  call void @work(i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, double 1.0, double 2.0, double 3.0)
  call void @work(i64 10, i64 20, i64 30, i64 40, i64 50, i64 60, double 10.0, double 20.0, double 30.0)
  ret i32 0
}
