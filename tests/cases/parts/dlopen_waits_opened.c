extern void (*on_open)(void);
extern void (*on_close)(void);
void hook(void (*function)(void));

__attribute__((constructor)) static void opened(void) { hook(on_open); }

__attribute__((destructor)) static void closed(void) { hook(on_close); }

int answer(void) { return 42; }
