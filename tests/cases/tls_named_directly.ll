; Thread-local variables that IR names without llvm.threadlocal.address, as older front ends do: in
; loops, in constant expressions, in phis that one block enters twice, and in two threads at once.
; LINK: pthread

@words = thread_local global [4 x i64] [i64 1, i64 2, i64 3, i64 4]
@flag = internal thread_local global i8 0
@chosen = thread_local global i64 7
@text = private constant [21 x i8] c"%ld %ld %ld %ld %ld\0A\00"

declare i32 @printf(ptr, ...)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)

define i64 @count(i64 %n) noinline {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %joined ]
  %set = load i8, ptr @flag
  %is_first = icmp eq i8 %set, 0
  br i1 %is_first, label %first, label %joined
first:
  store i8 1, ptr @flag
  store i64 100, ptr getelementptr inbounds ([4 x i64], ptr @words, i64 0, i64 1)
  br label %joined
joined:
  %old = load i64, ptr @words
  %sum = add i64 %old, %i
  store i64 %sum, ptr @words
  %second = load i64, ptr getelementptr inbounds ([4 x i64], ptr @words, i64 0, i64 1)
  %more = add i64 %second, 1
  store i64 %more, ptr getelementptr inbounds ([4 x i64], ptr @words, i64 0, i64 1)
  call void asm sideeffect "", "~{memory}"()
  %next = add i64 %i, 1
  %is_done = icmp eq i64 %next, %n
  br i1 %is_done, label %done, label %loop
done:
  ret i64 %more
}

define i64 @choose(i32 %k) noinline {
entry:
  switch i32 %k, label %other [
    i32 1, label %joined
    i32 2, label %joined
  ]
other:
  br label %joined
joined:
  %p = phi ptr [ @chosen, %entry ], [ @chosen, %entry ],
               [ getelementptr inbounds (i8, ptr @words, i64 16), %other ]
  %v = load i64, ptr %p
  %w = add i64 %v, 1
  store i64 %w, ptr %p
  ret i64 %w
}

define void @report(i64 %n) {
  %a = call i64 @count(i64 %n)
  %b = call i64 @choose(i32 1)
  %c = call i64 @choose(i32 2)
  %d = call i64 @choose(i32 3)
  %e = load i64, ptr @words
  call i32 (ptr, ...) @printf(ptr @text, i64 %a, i64 %b, i64 %c, i64 %d, i64 %e)
  ret void
}

define ptr @thread(ptr %argument) {
  call void @report(i64 5)
  ret ptr null
}

define i32 @main() {
  %thread = alloca i64
  call void @report(i64 10)
  call i32 @pthread_create(ptr %thread, ptr null, ptr @thread, ptr null)
  %id = load i64, ptr %thread
  call i32 @pthread_join(i64 %id, ptr null)
  call void @report(i64 3)
  ret i32 0
}
