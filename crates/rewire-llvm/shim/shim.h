// The C interface of the shim: what LLVM's C API lacks and Rewire needs.
//
// Rules of the border. No exception crosses it (LLVM is built without them). A `char *` that is
// returned or stored is owned by the caller and freed with LLVMDisposeMessage. A function that
// can fail returns true on failure and then stores such a message. Nothing here is
// synchronised: an object and its LLVMContext belong to one thread at a time.
//
// Names in the shim. What is declared here: `rewire_snake_case` for functions, `RewireCamelCase`
// for types. All else is in namespace `rewire`, or local to its file: types in `CamelCase`,
// functions in `lowerCamelCase`, constants as `kCamelCase`, variables in `snake_case`.
#ifndef REWIRE_SHIM_H
#define REWIRE_SHIM_H

#include <llvm-c/Core.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The globals of one module, numbered: functions, variables, aliases, ifuncs, each in module
// order. Two copies of a module that were read from the same bytes number them alike.
typedef struct RewireIndex RewireIndex;

// What the engine knows of a global, one byte for each ordinal.
enum {
  // The definition in this module is the one that the name stands for.
  REWIRE_ELECTED = 1,
  // The variable has memory already.
  REWIRE_PLACED = 2,
  // The name is the unit's own. Only texts tell it (rewire_extract_text).
  REWIRE_OWN = 4,
  // Callers had better not inline it: it is replaced often.
  REWIRE_APART = 8,
};

// The host's triple and data layout (rewire_target_new).
typedef struct RewireTarget RewireTarget;

// Reads bitcode, without its bodies, or text. The bytes of bitcode must outlive the module. A data
// layout of an older LLVM becomes today's.
bool rewire_read_bitcode(LLVMContextRef context, const RewireTarget *host, const char *bytes,
                         size_t length, LLVMModuleRef *module, char **error);
bool rewire_read_text(LLVMContextRef context, const RewireTarget *host, const char *bytes,
                      size_t length, LLVMModuleRef *module, char **error);

// Runs the constructors of LLVM's static objects, where the program's linker has gathered them for
// it: once, before anything else of LLVM's or the shim's.
void rewire_construct(void);

// Has `handler` called when LLVM finds no memory, which it does not survive.
void rewire_on_out_of_memory(void (*handler)(const char *reason));

// Numbers the globals. The module must outlive the index.
RewireIndex *rewire_index_new(LLVMModuleRef module);
// Where it is noted what was verified: a bit for each global, and one more. Copies of a module
// share it, and it must outlive them.
void rewire_index_verified(RewireIndex *index, uint64_t *words);
void rewire_index_free(RewireIndex *index);
size_t rewire_index_len(const RewireIndex *index);
LLVMValueRef rewire_index_get(const RewireIndex *index, size_t ordinal);

// The functions that do a constructor's work, each with the variables that it initialises: those
// that it writes, or passes to be written, before it reads them. All bodies are read.
void rewire_initialisers(const RewireIndex *index, size_t constructor,
                         void (*part)(void *data, size_t ordinal),
                         void (*variable)(void *data, size_t ordinal), void *data);

// The thread-local variables that are initialised together, with the flag that says so.
void rewire_thread_initialiser(const RewireIndex *index,
                               void (*variable)(void *data, size_t ordinal), void *data);

// The identities of a module's types, each computed once. The module must outlive it.
typedef struct RewireTypes RewireTypes;
RewireTypes *rewire_types_new(LLVMModuleRef module);
void rewire_types_free(RewireTypes *types);
// Stores the 16 bytes that identify a type: types of one structure and layout have the same,
// whatever they are called.
void rewire_type_id(RewireTypes *types, LLVMTypeRef type, uint8_t *id);
// The alignment in bytes that code which was compiled with this definition or declaration of a
// variable may rely on.
uint64_t rewire_variable_align(LLVMValueRef variable);
// The object that an alias or ifunc stands for: its ordinal and the offset in bytes. True when
// it is no constant offset from one object.
bool rewire_alias_target(const RewireIndex *index, LLVMValueRef alias, size_t *ordinal,
                         int64_t *offset);
// The entries of llvm.global_ctors (or llvm.global_dtors), in order: calls `entry` for each.
void rewire_structors(const RewireIndex *index, const char *list,
                      void (*entry)(void *data, uint32_t priority, size_t ordinal,
                                    bool has_associated, size_t associated),
                      void *data);
// The members of llvm.used and llvm.compiler.used.
void rewire_used(const RewireIndex *index, void (*entry)(void *data, size_t ordinal),
                 void *data);
// The COMDAT of a global (empty when none): a pointer into the module.
const char *rewire_comdat(LLVMValueRef global, size_t *length);

// The name that a global has in an object where that isn't its name in IR (a calling convention
// may add to it); null otherwise.
char *rewire_symbol_name(LLVMValueRef global);

// Takes debug information out of the module, bodies that aren't read yet included.
void rewire_strip_debug(RewireIndex *index);
// Verifies all of the module but the bodies that aren't read yet.
bool rewire_verify(RewireIndex *index, char **error);
// Reads the bodies, where those may say what lies before a function's address. `bytes` are what
// the module was read from.
bool rewire_read_for_fronts(RewireIndex *index, const char *bytes, size_t length, bool is_bitcode,
                            char **error);
// Reads all bodies, and verifies those that weren't.
bool rewire_read_all(RewireIndex *index, char **error);
// Whether a body couldn't be read, so that nothing can be read from this copy any more.
bool rewire_is_unreadable(const RewireIndex *index);
// Verifies a module that somebody else made.
bool rewire_verify_other(LLVMModuleRef module, char **error);

// Reads the body of a function and tells of its blocks, in order: `block` with the number of the
// immediate post-dominator (SIZE_MAX when there is none), then `call` for each of its direct calls
// and for each that doesn't return (of no known function: SIZE_MAX). Nothing, when there is no
// body to be had.
void rewire_call_plan(RewireIndex *index, size_t function, void (*block)(void *data, size_t next),
                      void (*call)(void *data, size_t ordinal, bool returns), void *data);

// Set in the number of a root that has lost its name to another module's definition: it is
// extracted under its number, this bit included, and its own mentions of the name are that other.
#define REWIRE_OWN_COPY ((size_t)1 << 31)

// How many bodies may be brought into an extracted module so that they can be inlined.
typedef struct {
  // How many calls away from the extracted functions. 0: only what must be inlined.
  unsigned depth;
  // The most instructions of one body that an extracted function calls; half as many with each
  // further call.
  size_t instructions;
  // The most instructions of all bodies together.
  size_t total;
} RewireInlineBudget;

// What a global is in an extracted module that a definition of another module names.
typedef struct {
  // Its number in that module.
  uint32_t ordinal;
  // Its number in the extracted module: an ordinal of the module that is extracted from, or, with a
  // name, one of those that follow.
  uint32_t number;
  const char *name;
  size_t name_length;
  // Whether it lies within the engine's memory, whatever becomes of its name.
  bool is_near;
  // Whether its value in that module is the one in force.
  bool is_current;
  // Whether nothing else can name it: the extracted module gets a copy of the constant.
  bool is_private;
} RewireReference;

// A definition of another module.
typedef struct {
  // As rewire_export wrote it.
  const char *bitcode;
  size_t length;
  // Its number in its module, and the number by which a copy of it is noted.
  uint32_t ordinal;
  uint32_t number;
  const RewireReference *references;
  size_t reference_count;
} RewireImport;

// Who knows the definitions of other modules. `find` looks for what the global of this number
// stands for, of at most so many instructions; false when there is nothing that may be copied. What
// it finds stays until the extraction is over. `is_elsewhere` tells whether another definition than
// one that is `available_externally` is in force for a name.
typedef struct {
  void *data;
  bool (*find)(void *data, uint32_t number, size_t most, RewireImport *found);
  bool (*is_elsewhere)(void *data, uint32_t number);
} RewireImporter;

// Writes one definition, which others may hold a copy of, with the values of the constants that it
// names, as bitcode in which globals are called by their numbers. Calls `done`, with the numbers of
// all of them, and returns true; false when it mustn't be copied, or has more instructions.
bool rewire_export(RewireIndex *index, size_t ordinal, const uint8_t *states, size_t most,
                   void (*done)(void *data, const char *bitcode, size_t length,
                                const uint32_t *references, size_t count),
                   void *data);

// Moves (or clones, where the module itself still needs them) the root definitions, with the
// variables that have to come along, into a fresh module of the same context. `states` has a byte
// for each ordinal, which other threads may change meanwhile. `fold` also gives the values of
// placed constants to the optimiser. With `whole`, the roots see one another's bodies: they are
// never replaced. With a budget, bodies of what the roots call come along, to be inlined, and
// nothing is moved; those of other modules come from `importer`, unless it is null.
bool rewire_extract(RewireIndex *index, const size_t *roots, size_t root_count,
                    const uint8_t *states, bool fold, bool whole, RewireInlineBudget budget,
                    const RewireImporter *importer, LLVMModuleRef *out, char **error);
// Whether a function is all that its module defines, so that nothing needs to be moved.
bool rewire_is_all(const RewireIndex *index, size_t root);
// Makes the module of such a function itself what would be extracted. The index is of no use for
// other extractions then.
void rewire_extract_in_place(RewireIndex *index, size_t root, const uint8_t *states);
// Whether a function must be inlined, and isn't needed where it is.
bool rewire_is_inlined_away(LLVMValueRef global);
// Whether something stands before a function's first instruction or is it: prefix data, prologue
// data, marks of sanitizers.
bool rewire_has_front(LLVMValueRef global);
// Whether a function is part of a coroutine that was split already, and whether its frames can be
// counted.
bool rewire_is_coroutine_part(LLVMValueRef global, bool *is_counted);
// A module with the front of a function: its prefix and prologue data, and a jump through its
// slot. What takes the function's address finds the data there.
bool rewire_extract_front(RewireIndex *index, size_t function, const uint8_t *states,
                          LLVMModuleRef *out, char **error);
// The constants whose values the last extracted module may hold a copy of.
const size_t *rewire_shown(const RewireIndex *index, size_t *count);
// What tells functions of one contract from others: their attributes, and their convention.
const void *rewire_attributes(LLVMValueRef global, unsigned *convention);
// A line for each part of a function's contract: 'a' for how values are passed, 'p' for promises,
// 'd' for demands. Where one names a type, a tab and the identity of that type follow.
char *rewire_contract(RewireTypes *types, LLVMValueRef function);
// Whether a function's body may throw; one that isn't read may.
bool rewire_may_throw(LLVMValueRef function);
// What the code of an extracted module is made from, as bytes: calls `part` for the bodies that are
// to be compiled (kind 0), then for each body that is there to be inlined (1) and each variable
// with a value (2), and `local` with the ordinal of each local that it names, in an order that
// depends on what is extracted alone. False, after any number of calls, where it can't be told.
bool rewire_identity(LLVMModuleRef extracted,
                     void (*part)(void *data, uint8_t kind, const char *name, size_t name_length,
                                  const uint8_t *bytes, size_t length),
                     void (*local)(void *data, uint32_t ordinal), void *data);
// A definition with all that it says, to be printed: aliases are named rather than followed, tables
// of a function's labels come with it, and the names that are the unit's own are hidden.
bool rewire_extract_text(RewireIndex *index, size_t root, const uint8_t *states,
                         LLVMModuleRef *out, char **error);
// The text of such a module, with the names that its globals have in their unit. What is the unit's
// own and has no name, or not its alone, is called by its number and the unit's.
char *rewire_text(LLVMModuleRef extracted, uint64_t unit);
// Whether no body was moved out of this copy of the module.
bool rewire_is_intact(const RewireIndex *index);
// Whether the body of a function was moved out of this copy of the module.
bool rewire_is_taken(const RewireIndex *index, size_t ordinal);
// IR text of a function `call_adapter` that takes the address of a function of this one's type, an
// array of the addresses of its arguments, and where to put its result, and calls it. Null for what
// is no function, and where the number of arguments varies.
char *rewire_call_adapter(RewireIndex *index, size_t ordinal);
// A module with nothing but the module-level assembly; null when there is none.
LLVMModuleRef rewire_extract_asm(RewireIndex *index);

// How large a function's body is.
typedef struct {
  size_t blocks;
  size_t instructions;
  // Calls of what a pointer leads to.
  size_t indirect_calls;
} RewireSize;

// What a function's body, which has been read, or a variable's value names: calls `entry` once for
// each global, with the number of calls and whether it is named in another way too. `size` is
// added to.
void rewire_contents(const RewireIndex *index, size_t ordinal, RewireSize *size,
                     void (*entry)(void *data, size_t used, size_t calls, bool refers),
                     void *data);
// The names that module-level assembly defines.
void rewire_assembly_names(const RewireIndex *index,
                           void (*entry)(void *data, const char *name, size_t length),
                           void *data);

// The assembly within functions whose bodies have been read: calls `entry` for each piece.
void rewire_inline_assembly(const RewireIndex *index,
                            void (*entry)(void *data, size_t function, const char *text,
                                          size_t length),
                            void *data);

// A TargetMachine with a code generation pipeline that is used again for each module.
typedef struct RewireCodegen RewireCodegen;
// `level`: 0 to 3. `cpu` and `features` are LLVM's names, which must be known.
RewireCodegen *rewire_codegen_new(unsigned level, const char *cpu, const char *features,
                                  char **error);
// IR passes that run instead of the level's, as PassBuilder reads them. Fails if it doesn't.
bool rewire_set_passes(RewireCodegen *codegen, const char *text, size_t length, char **error);
// The processor of this machine, and its features, each with a sign.
char *rewire_host_cpu(void);
char *rewire_host_features(void);
// The names of processors and features that there is code for.
void rewire_known_cpus(const RewireCodegen *codegen,
                       void (*entry)(void *data, bool is_feature, const char *name, size_t length),
                       void *data);
// Reads IR, text or bitcode, that takes the place of an extracted module, in the same context.
// Fails if it isn't well-formed, or doesn't define what that module defines.
bool rewire_transformed(LLVMModuleRef former, const char *bytes, size_t length,
                        LLVMModuleRef *module, char **error);
void rewire_codegen_free(RewireCodegen *codegen);
// The host's data layout and triple.
char *rewire_codegen_data_layout(const RewireCodegen *codegen);
char *rewire_codegen_triple(const RewireCodegen *codegen);
// Both, ready to be given to modules without reading them anew.
RewireTarget *rewire_target_new(const RewireCodegen *codegen);
void rewire_set_triple(const RewireTarget *target, LLVMModuleRef module);
void rewire_set_layout(const RewireTarget *target, LLVMModuleRef module);
// Inlines what has to be inlined, then runs the IR pipeline of the level.
void rewire_optimise(RewireCodegen *codegen, LLVMModuleRef module);
// The same for a module whose functions may learn from one another, and inline one another.
void rewire_optimise_whole(RewireCodegen *codegen, LLVMModuleRef module);
// Counts, in the functions of an extracted module, how often the heads of their loops are passed;
// at `limit` passes the engine is asked, which may have an optimised body go on there. Returns
// whether what those bodies know at the heads stays in their frames.
bool rewire_count_loops(const RewireCodegen *codegen, LLVMModuleRef module, uint32_t limit);
// Does the same to a module with one such function, and has the code generator find out where in
// the frame the values are. False if they don't stay there.
bool rewire_find_places(RewireCodegen *codegen, LLVMModuleRef module);
// Once that module's code has been generated: the distance of each value from the transfer buffer;
// INT32_MIN for a value that is nowhere.
const int32_t *rewire_places(const RewireCodegen *codegen, size_t *count);
// Has loops that may come to hold copies of other functions watch whether these are replaced.
void rewire_poll_loops(LLVMModuleRef module);
// Makes the only function of an extracted module its continuation at the head of a loop: it takes
// the transfer buffer, and returns null or the next continuation. `counts` as above, else it
// polls. Values are in the transfer buffer, or, with `places`, around it. False if there is no such
// head, or a value is nowhere.
bool rewire_continue_at(LLVMModuleRef module, unsigned head, bool counts, uint32_t limit,
                        const int32_t *places, size_t count);
// The globals whose bodies the last optimised module holds copies of, through any depth, and the
// aliases by which it named them.
const size_t *rewire_inlined(const RewireCodegen *codegen, size_t *count);
// Turns direct calls into calls through slots.
void rewire_slot_calls(RewireCodegen *codegen, LLVMModuleRef module);
// Emits an ELF object; the bytes belong to `codegen` and stand until the next call.
void rewire_emit(RewireCodegen *codegen, LLVMModuleRef module, const char **bytes,
                 size_t *length);

#ifdef __cplusplus
}
#endif
#endif
