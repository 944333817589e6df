int present_data = 8;
int present_function(int x) { return x + present_data; }
