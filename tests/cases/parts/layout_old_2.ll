target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-f80:128-n8:16:32:64-S128"

%pair = type { i32, i128 }

@pairs = global [2 x %pair] zeroinitializer

define i64 @distance() {
  %value = getelementptr %pair, ptr @pairs, i64 1, i32 1
  %from = ptrtoint ptr @pairs to i64
  %to = ptrtoint ptr %value to i64
  %distance = sub i64 %to, %from
  ret i64 %distance
}
