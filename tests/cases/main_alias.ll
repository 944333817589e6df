; `main` is an alias of another function.
declare i32 @puts(ptr)
@text = private constant [6 x i8] c"alias\00"
@main = alias i32 (), ptr @real_main
define internal i32 @real_main() {
  %r = call i32 @puts(ptr @text)
  ret i32 0
}
