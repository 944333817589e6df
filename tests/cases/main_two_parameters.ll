; `main(i32, ptr)`, without a target triple or a data layout.
; ARGS: one two
; EXIT: 3
declare i32 @puts(ptr)
define i32 @main(i32 %argc, ptr %argv) {
  %at = getelementptr ptr, ptr %argv, i64 2
  %s = load ptr, ptr %at
  %r = call i32 @puts(ptr %s)
  ret i32 %argc
}
