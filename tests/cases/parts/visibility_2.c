__attribute__((visibility("hidden"))) int hidden_data = 44;
__attribute__((visibility("hidden"))) int hidden_function(int x) { return x + hidden_data; }
int protected_function(int);
int use_protected(int x) { return protected_function(x); }
int (*address_of_protected(void))(int) { return protected_function; }
int (*address_of_hidden(void))(int) { return hidden_function; }
