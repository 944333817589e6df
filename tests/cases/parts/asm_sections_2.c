__attribute__((section("walked"), used)) static long five = 5;
