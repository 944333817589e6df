declare void @g()
declare void @h(ptr)
define i64 @f(ptr addrspace(1) %p, ptr addrspace(1) %q, i64 %n, <2 x ptr addrspace(1)> %v, i32 %small) gc "statepoint-example" {
  %d = getelementptr i8, ptr addrspace(1) %p, i64 %n
  %a = alloca i64
  call void @h(ptr %a)
  call void @g() "statepoint-id"="7" [ "deopt"(i64 1099511627776, i32 5, i32 %small, ptr %a, ptr addrspace(1) %q) ]
  %x = load i64, ptr addrspace(1) %d
  %y = load i64, ptr addrspace(1) %q
  %e = extractelement <2 x ptr addrspace(1)> %v, i64 %n
  %z = load i64, ptr addrspace(1) %e
  %l = load i64, ptr %a
  %s = add i64 %x, %y
  %s2 = add i64 %s, %z
  %s3 = add i64 %s2, %l
  ret i64 %s3
}
define void @rbp(ptr addrspace(1) %p, i64 %n) gc "statepoint-example" {
  %a = alloca i8, i64 %n
  call void @h(ptr %a)
  call void @g()
  %x = load volatile i64, ptr addrspace(1) %p
  ret void
}
define void @rbx(ptr addrspace(1) %p, i64 %n) gc "statepoint-example" {
  %a = alloca i8, i64 %n
  %b = alloca i8, i64 64, align 64
  call void @h(ptr %a)
  call void @h(ptr %b)
  %x = load volatile i64, ptr addrspace(1) %p
  ret void
}
declare void @llvm.experimental.stackmap(i64, i32, ...)
declare i64 @llvm.experimental.patchpoint.i64(i64, i32, ptr, i32, ...)
define i64 @pp(i64 %a, i64 %b) {
  call void (i64, i32, ...) @llvm.experimental.stackmap(i64 3, i32 8, i64 %a, i32 9)
  %r = call i64 (i64, i32, ptr, i32, ...) @llvm.experimental.patchpoint.i64(i64 4, i32 16, ptr null, i32 1, i64 %a, i64 %b)
  %s = add i64 %r, %b
  ret i64 %s
}
