; Prefix and prologue data of all kinds: with addresses, with differences to the function itself and
; to private data, of internal, weak and aliased functions, with alignment; found from another file,
; the same for every way to the function, before and after it was called.
; FILES: parts/prefix_shapes_2.ll
; ALIAS: other_name=info
; NOT-COMPILED: never_called
declare i32 @printf(ptr, ...)
@fmt = private constant [13 x i8] c"%d %d %d %d\0A\00"
%info = type { i64, ptr, i32, i32 }
@text = private constant [4 x i8] c"abc\00"
@number = internal global i32 41
@counted = global i32 0

define i32 @info(i32 %x) align 32 prefix %info { i64 7, ptr @number, i32 trunc (i64 sub (i64 ptrtoint (ptr @text to i64), i64 ptrtoint (ptr @info to i64)) to i32), i32 9 } {
  %v = load i32, ptr @counted
  %n = add i32 %v, 1
  store i32 %n, ptr @counted
  %r = add i32 %x, %n
  ret i32 %r
}
@other_name = alias i32 (i32), ptr @info
define internal i32 @hidden_one(i32 %x) prefix ptr @info {
  %r = call i32 @info(i32 %x)
  ret i32 %r
}
define weak i32 @overridden(i32 %x) prefix i32 1 {
  ret i32 0
}
define i32 @never_called(i32 %x) prefix i32 55 {
  ret i32 0
}
; As a sanitizer marks its functions: a jump over a signature, and the distance to a description.
define i32 @signed(i32 %x) prologue <{ i8, i8, i16, i32 }> <{ i8 235, i8 6, i16 17734, i32 trunc (i64 sub (i64 ptrtoint (ptr @text to i64), i64 ptrtoint (ptr @signed to i64)) to i32) }> {
  %z = icmp eq i32 %x, 0
  br i1 %z, label %done, label %more
done:
  ret i32 100
more:
  %m = sub i32 %x, 1
  %r = call i32 @signed(i32 %m)
  %s = add i32 %r, 1
  ret i32 %s
}
define i32 @self() prefix i32 77 {
  %at = getelementptr i32, ptr @self, i64 -1
  %v = load i32, ptr %at
  ret i32 %v
}

declare ptr @second_info()
declare i32 @second_tag(ptr)

define void @show_info(ptr %f) noinline {
  %at = getelementptr %info, ptr %f, i64 -1
  %a = load i64, ptr %at
  %a32 = trunc i64 %a to i32
  %pb = getelementptr %info, ptr %at, i64 0, i32 1
  %b = load ptr, ptr %pb
  %bv = load i32, ptr %b
  %pc = getelementptr %info, ptr %at, i64 0, i32 2
  %c = load i32, ptr %pc
  %c64 = sext i32 %c to i64
  %t = getelementptr i8, ptr %f, i64 %c64
  %t1 = getelementptr i8, ptr %t, i64 1
  %tv = load i8, ptr %t1
  %tv32 = zext i8 %tv to i32
  %pd = getelementptr %info, ptr %at, i64 0, i32 3
  %d = load i32, ptr %pd
  %p = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a32, i32 %bv, i32 %tv32, i32 %d)
  ret void
}
define i32 @main() {
  call void @show_info(ptr @info)
  %a = call i32 @info(i32 10)
  call void @show_info(ptr @other_name)
  %o = call ptr @second_info()
  %same = icmp eq ptr %o, @info
  %samei = zext i1 %same to i32
  %al = ptrtoint ptr @info to i64
  %alm = and i64 %al, 31
  %al32 = trunc i64 %alm to i32
  %b = call i32 %o(i32 20)
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b, i32 %samei, i32 %al32)
  %h = getelementptr ptr, ptr @hidden_one, i64 -1
  %hf = load ptr, ptr %h
  %hsame = icmp eq ptr %hf, @info
  %hi = zext i1 %hsame to i32
  %c = call i32 @hidden_one(i32 30)
  %ov = call i32 @second_tag(ptr @overridden)
  %nv = call i32 @second_tag(ptr @never_called)
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %hi, i32 %c, i32 %ov, i32 %nv)
  %d = call i32 @signed(i32 3)
  %sig = getelementptr i8, ptr @signed, i64 2
  %sv = load i16, ptr %sig
  %si = zext i16 %sv to i32
  %sd = getelementptr i8, ptr @signed, i64 4
  %dist = load i32, ptr %sd
  %dist64 = sext i32 %dist to i64
  %there = getelementptr i8, ptr @signed, i64 %dist64
  %there2 = getelementptr i8, ptr %there, i64 2
  %cv = load i8, ptr %there2
  %ci = zext i8 %cv to i32
  %e = call i32 @self()
  %p2 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %d, i32 %si, i32 %ci, i32 %e)
  ret i32 0
}
