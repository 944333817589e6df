int actual_value = 5;
int actual_name(int x) { return x + actual_value; }
int own_label(int);
int via_other_file(int x) { return own_label(x) + actual_value; }
