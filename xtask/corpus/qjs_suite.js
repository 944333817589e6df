// Runs QuickJS's own tests, given as arguments, in one process, and says how each one ended.
for (const path of scriptArgs.slice(1)) {
  const name = path.replace(/.*\//, "");
  try {
    await import(path);
    print(name, "passed");
  } catch (error) {
    print(name, "failed:", error);
  }
}
