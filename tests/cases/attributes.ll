; sret, byval with alignment, byref, inreg, nest, signext and zeroext, returned, noundef and
; dereferenceable; first-class aggregates as arguments and results.
declare i32 @printf(ptr, ...)
@fmt = private constant [13 x i8] c"%d %d %d %d\0A\00"
%big = type { i32, i32, [20 x i32] }

define void @make(ptr sret(%big) align 8 %out, i32 %x) {
  %b = getelementptr %big, ptr %out, i32 0, i32 1
  store i32 %x, ptr %out
  %y = mul i32 %x, 2
  store i32 %y, ptr %b
  ret void
}
define i32 @take(ptr byval(%big) align 64 %in, i32 %x) {
  %i = ptrtoint ptr %in to i64
  %m = urem i64 %i, 64
  %m32 = trunc i64 %m to i32
  %b = getelementptr %big, ptr %in, i32 0, i32 1
  %v = load i32, ptr %b
  store i32 999, ptr %b
  %r = add i32 %v, %m32
  %r1 = add i32 %r, %x
  ret i32 %r1
}
define { i32, i64, double } @pair({ i32, i64 } %p, [2 x double] %d) {
  %a = extractvalue { i32, i64 } %p, 0
  %b = extractvalue { i32, i64 } %p, 1
  %c = extractvalue [2 x double] %d, 1
  %r0 = insertvalue { i32, i64, double } poison, i32 %a, 0
  %r1 = insertvalue { i32, i64, double } %r0, i64 %b, 1
  %r2 = insertvalue { i32, i64, double } %r1, double %c, 2
  ret { i32, i64, double } %r2
}
define i32 @nested(ptr nest %n, i32 inreg %x) {
  %v = load i32, ptr %n
  %r = add i32 %v, %x
  ret i32 %r
}
define signext i8 @narrow(i8 signext %a, i16 zeroext %b) {
  %b8 = trunc i16 %b to i8
  %r = add i8 %a, %b8
  ret i8 %r
}
define ptr @same(ptr returned %p) {
  ret ptr %p
}
define i32 @main() {
  %big = alloca %big, align 64
  call void @make(ptr sret(%big) align 8 %big, i32 21)
  %a = call i32 @take(ptr byval(%big) align 64 %big, i32 1)
  %bp = getelementptr %big, ptr %big, i32 0, i32 1
  %b = load i32, ptr %bp
  %r = call { i32, i64, double } @pair({ i32, i64 } { i32 3, i64 4 }, [2 x double] [double 5.0, double 6.0])
  %c = extractvalue { i32, i64, double } %r, 1
  %c32 = trunc i64 %c to i32
  %d = extractvalue { i32, i64, double } %r, 2
  %di = fptosi double %d to i32
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b, i32 %c32, i32 %di)
  %e = call i32 @nested(ptr nest %bp, i32 inreg 8)
  %f = call signext i8 @narrow(i8 signext -3, i16 zeroext 258)
  %f32 = sext i8 %f to i32
  %q = call ptr @same(ptr %bp)
  %g = load i32, ptr %q
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %e, i32 %f32, i32 %g, i32 0)
  ret i32 0
}
