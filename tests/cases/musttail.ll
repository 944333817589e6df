; musttail: mutual tail calls a million deep, through a pointer, with many arguments, with
; varargs handed on, and with tailcc.
declare i32 @printf(ptr, ...)
@fmt = private constant [4 x i8] c"%d\0A\00"
@fmt2 = private constant [10 x i8] c"%d %d %s\0A\00"
@text = private constant [5 x i8] c"text\00"
@next = global ptr @indirect_b

define i32 @even(i32 %n) {
  %z = icmp eq i32 %n, 0
  br i1 %z, label %done, label %more
done:
  ret i32 1
more:
  %m = sub i32 %n, 1
  %r = musttail call i32 @odd(i32 %m)
  ret i32 %r
}
define i32 @odd(i32 %n) {
  %z = icmp eq i32 %n, 0
  br i1 %z, label %done, label %more
done:
  ret i32 0
more:
  %m = sub i32 %n, 1
  %r = musttail call i32 @even(i32 %m)
  ret i32 %r
}
define i32 @indirect_a(i32 %n) {
  %z = icmp sle i32 %n, 0
  br i1 %z, label %done, label %more
done:
  ret i32 42
more:
  %m = sub i32 %n, 1
  %f = load ptr, ptr @next
  %r = musttail call i32 %f(i32 %m)
  ret i32 %r
}
define i32 @indirect_b(i32 %n) {
  %m = sub i32 %n, 1
  %r = musttail call i32 @indirect_a(i32 %m)
  ret i32 %r
}
define i32 @many(i32 %n, i32 %a, i32 %b, i32 %c, i32 %d, i32 %e, i32 %f, i32 %g, i64 %h, ptr %i) {
  %z = icmp eq i32 %n, 0
  br i1 %z, label %done, label %more
done:
  %s1 = add i32 %a, %f
  %s2 = add i32 %s1, %g
  %h32 = trunc i64 %h to i32
  %s3 = add i32 %s2, %h32
  ret i32 %s3
more:
  %m = sub i32 %n, 1
  %a1 = add i32 %a, 1
  %h1 = add i64 %h, 2
  %r = musttail call i32 @many(i32 %m, i32 %a1, i32 %c, i32 %b, i32 %e, i32 %d, i32 %g, i32 %f, i64 %h1, ptr %i)
  ret i32 %r
}
define i32 @varargs_front(ptr %format, ...) {
  %r = musttail call i32 (ptr, ...) @printf(ptr %format, ...)
  ret i32 %r
}
define tailcc i32 @tail_a(i32 %n, i32 %acc) {
  %z = icmp eq i32 %n, 0
  br i1 %z, label %done, label %more
done:
  ret i32 %acc
more:
  %m = sub i32 %n, 1
  %acc1 = add i32 %acc, 3
  %r = musttail call tailcc i32 @tail_b(i32 %m, i32 %acc1, i32 1, i32 2, i32 3, i32 6)
  ret i32 %r
}
define tailcc i32 @tail_b(i32 %n, i32 %acc, i32 %a, i32 %b, i32 %c, i32 %d) {
  %acc1 = add i32 %acc, %d
  %r = musttail call tailcc i32 @tail_a(i32 %n, i32 %acc1)
  ret i32 %r
}
define i32 @main() {
  %a = call i32 @even(i32 1000001)
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a)
  %b = call i32 @indirect_a(i32 1000000)
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %b)
  %c = call i32 @many(i32 100000, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i64 8, ptr null)
  %p2 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %c)
  %d = call i32 (ptr, ...) @varargs_front(ptr @fmt2, i32 5, i32 6, ptr @text)
  %p3 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %d)
  %e = call tailcc i32 @tail_a(i32 100000, i32 0)
  %p4 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %e)
  ret i32 0
}
