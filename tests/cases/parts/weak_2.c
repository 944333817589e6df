int overridden(void) { return 10; }
int weak_data = 30;
int lost_alias(void) { return 60; }
__attribute__((weak)) int kept(void) { return 99; }
int call_from_2(void) { return overridden() + kept() + weak_data; }
