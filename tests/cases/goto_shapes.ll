; blockaddress in all shapes: differences of two labels, a label minus its function, in a struct
; within a struct, in a thread-local's and in a weak variable, through an alias, compared at run
; time, passed as an argument, and stored into memory by another function.
declare i32 @printf(ptr, ...)
@fmt = private constant [13 x i8] c"%d %d %d %d\0A\00"
%inner = type { i32, ptr }
%outer = type { i8, %inner, [2 x %inner] }

@offsets = internal constant [3 x i32] [
  i32 trunc (i64 sub (i64 ptrtoint (ptr blockaddress(@relative, %b0) to i64), i64 ptrtoint (ptr blockaddress(@relative, %b0) to i64)) to i32),
  i32 trunc (i64 sub (i64 ptrtoint (ptr blockaddress(@relative, %b1) to i64), i64 ptrtoint (ptr blockaddress(@relative, %b0) to i64)) to i32),
  i32 trunc (i64 sub (i64 ptrtoint (ptr blockaddress(@relative, %b2) to i64), i64 ptrtoint (ptr blockaddress(@relative, %b0) to i64)) to i32)]
@nested = global %outer { i8 1, %inner { i32 2, ptr blockaddress(@from_struct, %x) }, [2 x %inner] [%inner { i32 3, ptr blockaddress(@from_struct, %y) }, %inner { i32 4, ptr blockaddress(@from_struct, %z) }] }
@weakly = weak global ptr blockaddress(@from_struct, %y)
@nested_alias = alias %outer, ptr @nested

define i32 @relative(i32 %n) noinline {
entry:
  %at = getelementptr [3 x i32], ptr @offsets, i32 0, i32 %n
  %o = load i32, ptr %at
  %o64 = sext i32 %o to i64
  %to = getelementptr i8, ptr blockaddress(@relative, %b0), i64 %o64
  indirectbr ptr %to, [label %b0, label %b1, label %b2]
b0:
  ret i32 100
b1:
  ret i32 101
b2:
  ret i32 102
}
define i32 @from_struct(ptr %where) noinline {
entry:
  indirectbr ptr %where, [label %x, label %y, label %z]
x:
  ret i32 1
y:
  ret i32 2
z:
  ret i32 3
}
define void @store_label(ptr %to) noinline {
  store ptr blockaddress(@from_struct, %z), ptr %to
  ret void
}
define i32 @call_with_label() noinline {
  %r = call i32 @from_struct(ptr blockaddress(@from_struct, %x))
  ret i32 %r
}
define internal i32 @steps(i32 %n) noinline {
entry:
  %v = alloca i32
  store i32 0, ptr %v
  br label %dispatch
dispatch:
  %i = phi i32 [ %n, %entry ], [ %next, %back ]
  %odd = and i32 %i, 1
  %c = icmp eq i32 %odd, 0
  %to = select i1 %c, ptr blockaddress(@steps, %even), ptr blockaddress(@steps, %uneven)
  indirectbr ptr %to, [label %even, label %uneven]
even:
  br label %back
uneven:
  %w = load i32, ptr %v
  %w1 = add i32 %w, %i
  store i32 %w1, ptr %v
  br label %back
back:
  %next = sub i32 %i, 1
  %done = icmp sle i32 %next, 0
  br i1 %done, label %out, label %dispatch
out:
  %r = load i32, ptr %v
  ret i32 %r
}
define i32 @main() {
  %a = call i32 @relative(i32 0)
  %b = call i32 @relative(i32 1)
  %c = call i32 @relative(i32 2)
  %d = call i32 @steps(i32 9)
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b, i32 %c, i32 %d)
  %px = load ptr, ptr getelementptr (%outer, ptr @nested, i32 0, i32 1, i32 1)
  %e = call i32 @from_struct(ptr %px)
  %pz = load ptr, ptr getelementptr (%outer, ptr @nested_alias, i32 0, i32 2, i32 1, i32 1)
  %f = call i32 @from_struct(ptr %pz)
  %py = load ptr, ptr @weakly
  %g = call i32 @from_struct(ptr %py)
  %l = alloca ptr
  call void @store_label(ptr %l)
  %ps = load ptr, ptr %l
  %same = icmp eq ptr %ps, %pz
  %h = call i32 @call_with_label()
  %h2 = select i1 %same, i32 %h, i32 -1
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %e, i32 %f, i32 %g, i32 %h2)
  ret i32 0
}
