; Calling conventions: fastcc, coldcc, preserve_most, preserve_all, preserve_none, swiftcc,
; x86_64 of Windows, and regcall; each function is entered for the first time through its own
; convention, with values that the caller keeps across.
declare i32 @printf(ptr, ...)
@fmt = private constant [5 x i8] c"%ld\0A\00"
@fmtd = private constant [4 x i8] c"%f\0A\00"

define fastcc i64 @fast(i64 %a, i64 %b) noinline {
  %r = mul i64 %a, %b
  ret i64 %r
}
define coldcc i64 @cold(i64 %a, i64 %b) noinline {
  %r = sub i64 %a, %b
  ret i64 %r
}
define preserve_mostcc i64 @most(i64 %a, i64 %b) noinline {
  %r = xor i64 %a, %b
  ret i64 %r
}
define preserve_allcc i64 @all(i64 %a, double %b) noinline {
  %i = fptosi double %b to i64
  %r = add i64 %a, %i
  ret i64 %r
}
define preserve_nonecc i64 @none(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h, i64 %i, i64 %j, i64 %k) noinline {
  %1 = mul i64 %a, 2
  %2 = mul i64 %b, 3
  %3 = mul i64 %f, 5
  %4 = mul i64 %g, 7
  %5 = mul i64 %h, 11
  %6 = mul i64 %k, 13
  %s1 = add i64 %1, %2
  %s2 = add i64 %s1, %3
  %s3 = add i64 %s2, %4
  %s4 = add i64 %s3, %5
  %s5 = add i64 %s4, %6
  ret i64 %s5
}
define swiftcc i64 @swift(i64 %a, ptr swiftself %self, ptr swifterror %err) noinline {
  %v = load i64, ptr %self
  %r = add i64 %a, %v
  store ptr %self, ptr %err
  ret i64 %r
}
define win64cc i64 @win(i64 %a, double %b, i64 %c, i64 %d, i64 %e) noinline {
  %i = fptosi double %b to i64
  %1 = add i64 %a, %i
  %2 = mul i64 %c, %d
  %3 = add i64 %1, %2
  %4 = add i64 %3, %e
  ret i64 %4
}
define x86_regcallcc i64 @reg(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h, i64 %i, i64 %j, i64 %k, i64 %l) noinline {
  %1 = mul i64 %h, 3
  %2 = mul i64 %l, 5
  %3 = add i64 %1, %2
  %4 = add i64 %3, %a
  ret i64 %4
}
define i64 @keeper(i64 %x, double %y) noinline {
  %k1 = mul i64 %x, 3
  %k2 = add i64 %x, 17
  %k3 = xor i64 %x, 99
  %d1 = fmul double %y, 3.0
  %d2 = fadd double %y, 0.5
  %a = call fastcc i64 @fast(i64 %x, i64 7)
  %b = call coldcc i64 @cold(i64 %a, i64 5)
  %c = call preserve_mostcc i64 @most(i64 %b, i64 3)
  %d = call preserve_allcc i64 @all(i64 %c, double %d1)
  %e = call preserve_nonecc i64 @none(i64 %d, i64 %k1, i64 %k2, i64 %k3, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 %x)
  %slot = alloca i64
  store i64 %k2, ptr %slot
  %err = alloca swifterror ptr
  store ptr null, ptr %err
  %f = call swiftcc i64 @swift(i64 %e, ptr swiftself %slot, ptr swifterror %err)
  %g = call win64cc i64 @win(i64 %f, double %d2, i64 %k1, i64 %k2, i64 %k3)
  %h = call x86_regcallcc i64 @reg(i64 %g, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 %k1, i64 8, i64 9, i64 10, i64 %k3)
  %s1 = add i64 %h, %k1
  %s2 = add i64 %s1, %k2
  %s3 = add i64 %s2, %k3
  %di = fptosi double %d2 to i64
  %s4 = add i64 %s3, %di
  ret i64 %s4
}
define i32 @main() {
  %a = call i64 @keeper(i64 12, double 4.5)
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %a)
  %b = call i64 @keeper(i64 -5, double 100.25)
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %b)
  ret i32 0
}
