; musttail where arguments take every register that a jump could go through: six integers, eight
; vectors, varargs' %al, nest's %r10; with a big frame to take down, callee-saved registers to give
; back, byval and sret arguments, and through preserve_none and fastcc.
declare i32 @printf(ptr, ...)
declare i32 @vprintf(ptr, ptr)
declare void @llvm.va_start.p0(ptr)
declare void @llvm.va_end.p0(ptr)
@fmt = private constant [5 x i8] c"%ld\0A\00"
@fmtd = private constant [8 x i8] c"%ld %f\0A\00"
@fmtv = private constant [16 x i8] c"%d %s %f %d %d\0A\00"
@text = private constant [5 x i8] c"text\00"
%big = type { [40 x i64] }

define i64 @all_registers(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, double %g, double %h, double %i, double %j, double %k, double %l, double %m, double %n, ptr nest %o) noinline {
  %z = icmp sgt i64 %a, 1000
  br i1 %z, label %done, label %more
done:
  %gd = fptosi double %n to i64
  %ov = load i64, ptr %o
  %s = add i64 %a, %gd
  %t = add i64 %s, %ov
  ret i64 %t
more:
  %a1 = add i64 %a, %b
  %n1 = fadd double %n, %g
  %r = musttail call i64 @all_registers(i64 %a1, i64 %c, i64 %d, i64 %e, i64 %f, i64 %b, double %h, double %i, double %j, double %k, double %l, double %m, double %g, double %n1, ptr nest %o)
  ret i64 %r
}
define i64 @with_frame(i64 %n, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f) noinline {
  %frame = alloca [100 x i64]
  %at = getelementptr [100 x i64], ptr %frame, i64 0, i64 %n
  store volatile i64 %b, ptr %at
  %v = load volatile i64, ptr %at
  call void @clobber()
  %z = icmp eq i64 %n, 0
  br i1 %z, label %done, label %more
done:
  ret i64 %v
more:
  %m = sub i64 %n, 1
  %w = add i64 %v, %c
  %r = musttail call i64 @with_frame(i64 %m, i64 %w, i64 %d, i64 %e, i64 %f, i64 %c)
  ret i64 %r
}
define void @clobber() noinline {
  call void asm sideeffect "", "~{rbx},~{r12},~{r13},~{r14},~{r15},~{rax},~{rcx},~{r10},~{r11}"()
  ret void
}
define i64 @big_first(ptr byval(%big) %b, i64 %n) noinline {
  %at = getelementptr %big, ptr %b, i64 0, i32 0, i64 39
  %v = load i64, ptr %at
  %w = add i64 %v, %n
  store i64 %w, ptr %at
  %z = icmp eq i64 %n, 0
  br i1 %z, label %done, label %more
done:
  ret i64 %w
more:
  %m = sub i64 %n, 1
  %r = musttail call i64 @big_first(ptr byval(%big) %b, i64 %m)
  ret i64 %r
}
define void @sret_first(ptr sret(%big) %out, i64 %n) noinline {
  musttail call void @sret_second(ptr sret(%big) %out, i64 %n)
  ret void
}
define void @sret_second(ptr sret(%big) %out, i64 %n) noinline {
  %at = getelementptr %big, ptr %out, i64 0, i32 0, i64 7
  store i64 %n, ptr %at
  ret void
}
define i32 @forward(ptr %f, ...) noinline {
  %r = musttail call i32 (ptr, ...) @forward_again(ptr %f, ...)
  ret i32 %r
}
define i32 @forward_again(ptr %f, ...) noinline {
  %list = alloca [24 x i8], align 16
  call void @llvm.va_start.p0(ptr %list)
  %r = call i32 @vprintf(ptr %f, ptr %list)
  call void @llvm.va_end.p0(ptr %list)
  ret i32 %r
}
; A method of a table, called with everything passed on: a thunk.
@vtable = internal constant [2 x ptr] [ptr @method, ptr @method_two]
define i64 @thunk(ptr %this, ...) noinline "thunk" {
  %f = load ptr, ptr @vtable
  %r = musttail call i64 (ptr, ...) %f(ptr %this, ...)
  ret i64 %r
}
define i64 @method(ptr %this, i64 %x, double %y) noinline {
  %v = load i64, ptr %this
  %yi = fptosi double %y to i64
  %s = add i64 %v, %x
  %t = add i64 %s, %yi
  ret i64 %t
}
define i64 @method_two(ptr %this) {
  ret i64 0
}
define fastcc i64 @fast_a(i64 %n, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f) noinline {
  %z = icmp eq i64 %n, 0
  br i1 %z, label %done, label %more
done:
  ret i64 %b
more:
  %m = sub i64 %n, 1
  %r = musttail call fastcc i64 @fast_b(i64 %m, i64 %c, i64 %d, i64 %e, i64 %f, i64 %b)
  ret i64 %r
}
define fastcc i64 @fast_b(i64 %n, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f) noinline {
  %r = musttail call fastcc i64 @fast_a(i64 %n, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f)
  ret i64 %r
}
define i32 @main() {
  %o = alloca i64
  store i64 1000000, ptr %o
  %a = call i64 @all_registers(i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, double 1.0, double 2.0, double 3.0, double 4.0, double 5.0, double 6.0, double 7.0, double 8.0, ptr nest %o)
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %a)
  %b = call i64 @with_frame(i64 99, i64 1, i64 2, i64 3, i64 4, i64 5)
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %b)
  %big = alloca %big
  %at = getelementptr %big, ptr %big, i64 0, i32 0, i64 39
  store i64 5, ptr %at
  %c = call i64 @big_first(ptr byval(%big) %big, i64 100)
  %p2 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %c)
  call void @sret_first(ptr sret(%big) %big, i64 77)
  %at7 = getelementptr %big, ptr %big, i64 0, i32 0, i64 7
  %d = load i64, ptr %at7
  %p3 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %d)
  %e = call i32 (ptr, ...) @forward(ptr @fmtv, i32 1, ptr @text, double 2.5, i32 4, i32 5)
  store i64 100, ptr %o
  %f = call i64 (ptr, ...) @thunk(ptr %o, i64 20, double 3.0)
  %p4 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %f)
  %g = call fastcc i64 @fast_a(i64 1000, i64 1, i64 2, i64 3, i64 4, i64 5)
  %p5 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %g)
  ret i32 0
}
