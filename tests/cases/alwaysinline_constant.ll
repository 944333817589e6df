; A function that must be inlined and that can't be compiled by itself: its assembly takes a constant,
; which only its callers know. As nobody needs its body, nobody compiles it.
; NOT-COMPILED: add_constant shared_constant
; EXIT: 42

$shared_constant = comdat any

define internal i32 @add_constant(i32 %x, i32 %constant) alwaysinline {
  %sum = call i32 asm "addl $2, $0", "=r,0,i"(i32 %x, i32 %constant)
  ret i32 %sum
}

define linkonce_odr i32 @shared_constant(i32 %x, i32 %constant) alwaysinline comdat {
  %sum = call i32 @add_constant(i32 %x, i32 20)
  %all = call i32 asm "addl $2, $0", "=r,0,i"(i32 %sum, i32 %constant)
  ret i32 %all
}

define i32 @caller(i32 %x) noinline {
  %sum = call i32 @shared_constant(i32 %x, i32 1)
  ret i32 %sum
}

define i32 @main() {
  %a = call i32 @add_constant(i32 0, i32 10)
  %b = call i32 @caller(i32 %a)
  %c = call i32 @add_constant(i32 %b, i32 11)
  ret i32 %c
}
