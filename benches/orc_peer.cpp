// What LLVM's own JIT (ORC v2) needs for the work of `benches/replacing`, with the same command
// line.
//
// ORC is used as its users can use it at best: one LLJIT with JITLink, code generation at level 0
// with one TargetMachine for all compilations (LLJIT's compiler without compile threads), memory
// out of one large reservation, no platform support but unwind tables (as Rewire's, registered for
// all code), no verifier, and a context for each module that goes when the module is compiled.
// With `--reuse-passes`, a compiler of our own takes the place of LLJIT's: it also keeps the passes
// of code generation from one module to the next, as Rewire does.
//
// A function that can be replaced is a redirectable symbol: callers call its stub, which jumps
// through a pointer. A new body is compiled under a name of its own, and the pointer is stored.
// Two names for bodies are used in turn, so that nothing is left behind in tables of names.
//
// Prints one figure a line; the first word says which. Anything unexpected ends it with code 1.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "llvm/AsmParser/Parser.h"
#include "llvm/ExecutionEngine/Orc/CompileUtils.h"
#include "llvm/ExecutionEngine/Orc/EHFrameRegistrationPlugin.h"
#include "llvm/ExecutionEngine/Orc/JITLinkRedirectableSymbolManager.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/ExecutionEngine/Orc/MapperJITLinkMemoryManager.h"
#include "llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;
using namespace llvm::orc;

namespace {

using Clock = std::chrono::steady_clock;
using UnaryFunction = int (*)(int);

ExitOnError Check("orc_peer: ");

[[noreturn]] void fail(const Twine &What) {
  errs() << "orc_peer: " << What << '\n';
  std::exit(1);
}

void expect(int Found, int Wanted, const char *What) {
  if (Found != Wanted)
    fail(Twine(What) + " returned " + Twine(Found) + ", not " + Twine(Wanted));
}

double microsecondsSince(Clock::time_point Start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - Start).count();
}

double median(std::vector<double> Values) {
  if (Values.empty())
    fail("nothing was measured");
  auto Middle = Values.begin() + Values.size() / 2;
  std::nth_element(Values.begin(), Middle, Values.end());
  return *Middle;
}

/// Resident memory, in KiB (proc_pid_status(5)).
long residentKiB() {
  std::ifstream Status("/proc/self/status");
  for (std::string Line; std::getline(Status, Line);)
    if (Line.rfind("VmRSS:", 0) == 0)
      return std::atol(Line.c_str() + std::strlen("VmRSS:"));
  fail("no VmRSS in /proc/self/status");
}

long countMaps() {
  std::ifstream Maps("/proc/self/maps");
  long Count = 0;
  for (std::string Line; std::getline(Maps, Line);)
    ++Count;
  return Count;
}

/// Notes when the last object had become a link graph: passes are chosen next.
class GraphWatch : public LinkGraphLinkingLayer::Plugin {
public:
  Clock::time_point Parsed;

  void modifyPassConfig(MaterializationResponsibility &, jitlink::LinkGraph &,
                        jitlink::PassConfiguration &) override {
    Parsed = Clock::now();
  }
  Error notifyFailed(MaterializationResponsibility &) override {
    return Error::success();
  }
  Error notifyRemovingResources(JITDylib &, ResourceKey) override {
    return Error::success();
  }
  void notifyTransferringResources(JITDylib &, ResourceKey,
                                   ResourceKey) override {}
};

/// Compiles with passes that are kept.
class ReusingCompiler : public IRCompileLayer::IRCompiler {
public:
  explicit ReusingCompiler(std::unique_ptr<TargetMachine> Machine)
      : IRCompiler(irManglingOptionsFromTargetOptions(Machine->Options)),
        Machine(std::move(Machine)) {
    if (this->Machine->addPassesToEmitFile(Passes, Stream, nullptr,
                                           CodeGenFileType::ObjectFile))
      fail("there is no code generator for this machine");
  }

  Expected<std::unique_ptr<MemoryBuffer>> operator()(Module &M) override {
    Bytes.clear();
    Passes.run(M);
    return MemoryBuffer::getMemBufferCopy(Stream.str(), M.getName());
  }

private:
  std::unique_ptr<TargetMachine> Machine;
  SmallVector<char, 0> Bytes;
  raw_svector_ostream Stream{Bytes};
  legacy::PassManager Passes;
};

/// LLJIT with redirectable symbols.
class Jit {
public:
  explicit Jit(bool IsReusingPasses) {
    auto Machine = Check(JITTargetMachineBuilder::detectHost());
    Machine.setCodeGenOptLevel(CodeGenOptLevel::None);
    // As the code of the process: position-independent, in reach of itself.
    Machine.setRelocationModel(Reloc::PIC_);
    Machine.setCodeModel(CodeModel::Small);
    LLJITBuilder Builder;
    Builder.setJITTargetMachineBuilder(std::move(Machine))
        .setPlatformSetUp(setUpInactivePlatform)
        .setObjectLinkingLayerCreator(
            [](ExecutionSession &Session)
                -> Expected<std::unique_ptr<ObjectLayer>> {
              auto Memory = MapperJITLinkMemoryManager::CreateWithMapper<
                  InProcessMemoryMapper>(Reservation);
              if (!Memory)
                return Memory.takeError();
              return std::make_unique<ObjectLinkingLayer>(Session,
                                                          std::move(*Memory));
            });
    if (IsReusingPasses)
      Builder.setCompileFunctionCreator(
          [](JITTargetMachineBuilder Machine)
              -> Expected<std::unique_ptr<IRCompileLayer::IRCompiler>> {
            auto Made = Machine.createTargetMachine();
            if (!Made)
              return Made.takeError();
            return std::make_unique<ReusingCompiler>(std::move(*Made));
          });
    Lljit = Check(Builder.create());
    auto &Linking = static_cast<ObjectLinkingLayer &>(Lljit->getObjLinkingLayer());
    Linking.addPlugin(Check(EHFrameRegistrationPlugin::Create(session())));
    Redirection = Check(JITLinkRedirectableSymbolManager::Create(Linking));
  }

  ExecutionSession &session() { return Lljit->getExecutionSession(); }
  JITDylib &main() { return Lljit->getMainJITDylib(); }
  ResourceTrackerSP newTracker() { return main().createResourceTracker(); }

  /// From here on, link graphs are watched.
  std::shared_ptr<GraphWatch> watchGraphs() {
    auto Watch = std::make_shared<GraphWatch>();
    static_cast<ObjectLinkingLayer &>(Lljit->getObjLinkingLayer())
        .addPlugin(Watch);
    return Watch;
  }

  /// Parses a module and adds it; it is compiled when one of its symbols is looked up.
  void add(StringRef Ir, ResourceTrackerSP Tracker) {
    auto [Parsed, Context] = parse(Ir);
    Check(Lljit->addIRModule(std::move(Tracker),
                             {std::move(Parsed), std::move(Context)}));
  }

  /// Adds a module of which the functions that `Chosen` accepts can be replaced; returns their
  /// names. They lead nowhere until `redirectToBodies`.
  template <typename Predicate>
  std::vector<std::string> addReplaceable(StringRef Ir, Predicate Chosen) {
    auto [Parsed, Context] = parse(Ir);
    std::vector<std::string> Names;
    SymbolMap Symbols;
    for (Function &Body : *Parsed) {
      if (Body.isDeclaration() || !Chosen(Body.getName()))
        continue;
      std::string Name = Body.getName().str();
      Body.setName(bodyName(Name, 0));
      // Created in front of the module's functions, where this loop is past.
      auto *Stub = Function::Create(Body.getFunctionType(),
                                    GlobalValue::ExternalLinkage, Name);
      Parsed->getFunctionList().push_front(Stub);
      Body.replaceAllUsesWith(Stub);
      Symbols[Lljit->mangleAndIntern(Name)] = {ExecutorAddr(), Flags};
      Names.push_back(std::move(Name));
    }
    auto Tracker = main().getDefaultResourceTracker();
    if (!Symbols.empty())
      Check(Redirection->createRedirectableSymbols(Tracker, std::move(Symbols)));
    Check(Lljit->addIRModule(Tracker, {std::move(Parsed), std::move(Context)}));
    return Names;
  }

  /// Compiles the first bodies and leads the symbols to them.
  void redirectToBodies(const std::vector<std::string> &Names) {
    SymbolLookupSet Wanted;
    for (const std::string &Name : Names) {
      // A symbol can be redirected once its stub has been asked for.
      Wanted.add(Lljit->mangleAndIntern(Name));
      Wanted.add(Lljit->mangleAndIntern(bodyName(Name, 0)));
    }
    SymbolMap Found = Check(session().lookup(
        makeJITDylibSearchOrder(&main()), std::move(Wanted)));
    SymbolMap Destinations;
    for (const std::string &Name : Names)
      Destinations[Lljit->mangleAndIntern(Name)] =
          Found[Lljit->mangleAndIntern(bodyName(Name, 0))];
    Check(Redirection->redirect(main(), Destinations));
  }

  /// Gives a replaceable function a new body: `Ir` defines `BodyName`.
  void replace(StringRef Name, StringRef BodyName, StringRef Ir,
               ResourceTrackerSP Tracker) {
    add(Ir, std::move(Tracker));
    ExecutorAddr Body = Check(Lljit->lookup(BodyName));
    Check(Redirection->redirect(main(), Lljit->mangleAndIntern(Name),
                                {Body, Flags}));
  }

  UnaryFunction function(StringRef Name) {
    return Check(Lljit->lookup(Name)).toPtr<UnaryFunction>();
  }

  /// The name of a function's body with this number.
  static std::string bodyName(StringRef Name, int Number) {
    // The first one's, and two for those that follow, in turn.
    int Which = Number == 0 ? 0 : 1 + Number % 2;
    return (Name + ".body" + Twine(Which)).str();
  }

private:
  static constexpr size_t Reservation = size_t(1) << 30;
  const JITSymbolFlags Flags =
      JITSymbolFlags::Exported | JITSymbolFlags::Callable;

  static std::pair<std::unique_ptr<Module>, std::unique_ptr<LLVMContext>>
  parse(StringRef Ir) {
    auto Context = std::make_unique<LLVMContext>();
    SMDiagnostic Diagnostic;
    auto Parsed = parseAssembly(MemoryBufferRef(Ir, "bench"), Diagnostic, *Context);
    if (!Parsed)
      fail("the IR has an error: " + Diagnostic.getMessage());
    return {std::move(Parsed), std::move(Context)};
  }

  std::unique_ptr<LLJIT> Lljit;
  std::unique_ptr<RedirectableSymbolManager> Redirection;
};

/// A function under replacement, and whoever calls it.
class Replaced {
public:
  Replaced(Jit &TheJit, std::string Name)
      : TheJit(TheJit), Name(std::move(Name)), Call(TheJit.function("caller")) {
    // It is in use before it is replaced.
    Call(0);
  }

  /// Replaces the body until a caller sees it; returns the microseconds. The former body is
  /// removed outside of that time.
  double once() {
    int Number = Replacements + 1;
    std::string Body = Jit::bodyName(Name, Number);
    std::string Ir = "define i32 @" + Body +
                     "(i32 %x) {\n  %p = alloca i32\n  store i32 %x, ptr %p\n"
                     "  %v = load i32, ptr %p\n  %m = mul i32 %v, 3\n"
                     "  %r = add i32 %m, " +
                     std::to_string(Number) + "\n  ret i32 %r\n}\n";
    auto Start = Clock::now();
    ResourceTrackerSP Tracker = TheJit.newTracker();
    TheJit.replace(Name, Body, Ir, Tracker);
    Redirected = Clock::now();
    int Seen = Call(7);
    double Took = microsecondsSince(Start);
    expect(Seen, 21 + Number, "the caller");
    if (Former)
      Check(Former->remove());
    Former = std::move(Tracker);
    Replacements = Number;
    return Took;
  }

  /// When the last replacement's pointer had been stored.
  Clock::time_point Redirected;

private:
  Jit &TheJit;
  std::string Name;
  UnaryFunction Call;
  ResourceTrackerSP Former;
  int Replacements = 0;
};

/// Loads a file of modules, separated by the line `; module`.
void load(Jit &TheJit, const char *Path, bool IsAllCompiled) {
  auto File = MemoryBuffer::getFile(Path);
  if (!File)
    fail(Twine("can't read ") + Path + ": " + File.getError().message());
  StringRef Rest = (*File)->getBuffer();
  std::vector<std::string> Names;
  while (!Rest.empty()) {
    StringRef One;
    std::tie(One, Rest) = Rest.split("; module\n");
    // What is parsed has to end with a null character.
    std::string Ir = One.str();
    auto Added = TheJit.addReplaceable(Ir, [&](StringRef Name) {
      return IsAllCompiled ? Name != "caller" : Name == "f0";
    });
    Names.insert(Names.end(), Added.begin(), Added.end());
  }
  TheJit.redirectToBodies(Names);
}

void replaceLoaded(Jit &TheJit, const char *Path, int Count, bool IsAllCompiled) {
  load(TheJit, Path, IsAllCompiled);
  Replaced Function(TheJit, "f0");
  std::vector<double> Times;
  for (int I = 0; I < Count; ++I)
    Times.push_back(Function.once());
  std::printf("us %.3f\n", median(Times));
}

void replaceLinked(Jit &TheJit, const char *Path, int Count) {
  load(TheJit, Path, true);
  auto Watch = TheJit.watchGraphs();
  Replaced Function(TheJit, "f0");
  std::vector<double> Times;
  for (int I = 0; I < Count; ++I) {
    Function.once();
    std::chrono::duration<double, std::micro> Took =
        Function.Redirected - Watch->Parsed;
    Times.push_back(Took.count());
  }
  std::printf("us %.3f\n", median(Times));
}

/// Nanoseconds a call in a loop of compiled code: the best of twenty runs, because whatever else
/// the machine does only adds to them.
double timeLoop(UnaryFunction Loop, int Calls) {
  constexpr int Runs = 20;
  double Best = std::numeric_limits<double>::infinity();
  for (int I = 0; I < Runs; ++I) {
    auto Start = Clock::now();
    int Counted = Loop(Calls);
    Best = std::min(Best, microsecondsSince(Start) * 1e3 / Calls);
    expect(Counted, Calls, "the loop");
  }
  return Best;
}

void callReplaced(Jit &TheJit, int Calls) {
  constexpr int Bodies = 5;
  constexpr const char *Body = "(i32 %x) {\n  %r = add i32 %x, 1\n  ret i32 %r\n}\n";
  std::string Program = std::string("define i32 @f") + Body + R"(
define i32 @loop(i32 %n) {
start:
  br label %again
again:
  %i = phi i32 [ 0, %start ], [ %next, %again ]
  %x = phi i32 [ 0, %start ], [ %y, %again ]
  %y = call i32 @f(i32 %x)
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, %n
  br i1 %more, label %again, label %end
end:
  ret i32 %y
}
)";
  TheJit.redirectToBodies(
      TheJit.addReplaceable(Program, [](StringRef Name) { return Name == "f"; }));
  UnaryFunction Loop = TheJit.function("loop");
  std::printf("before %.4f\n", timeLoop(Loop, Calls));
  std::vector<double> After;
  for (int I = 1; I <= Bodies; ++I) {
    std::string Name = "f.new" + std::to_string(I);
    TheJit.replace("f", Name, "define i32 @" + Name + Body, TheJit.newTracker());
    After.push_back(timeLoop(Loop, Calls));
  }
  std::printf("after %.4f\n", median(After));
}

void removeAndAdd(Jit &TheJit, int Cycles) {
  constexpr int Functions = 10;
  std::string Ir;
  for (int I = 0; I < Functions; ++I)
    Ir += "define i32 @u" + std::to_string(I) +
          "(i32 %x) {\n  %p = alloca i32\n  store i32 %x, ptr %p\n"
          "  %v = load i32, ptr %p\n  %m = mul i32 %v, 3\n  %r = add i32 %m, " +
          std::to_string(I) + "\n  ret i32 %r\n}\n";
  std::vector<double> Times;
  for (int I = 0; I < Cycles; ++I) {
    auto Start = Clock::now();
    ResourceTrackerSP Tracker = TheJit.newTracker();
    TheJit.add(Ir, Tracker);
    int Seen = TheJit.function("u1")(7);
    Check(Tracker->remove());
    Times.push_back(microsecondsSince(Start));
    expect(Seen, 22, "u1");
  }
  std::printf("us %.3f\n", median(Times));
}

void redefine(Jit &TheJit, int Count) {
  TheJit.redirectToBodies(TheJit.addReplaceable(
      "define i32 @f(i32 %x) {\n  ret i32 %x\n}\n"
      "define i32 @caller(i32 %x) {\n  %r = call i32 @f(i32 %x)\n  ret i32 %r\n}\n",
      [](StringRef Name) { return Name == "f"; }));
  Replaced Function(TheJit, "f");
  // In memory from the start: it must not grow with the replacements.
  std::vector<double> Times(Count, 1.0);
  long AtTenth = 0;
  for (int I = 0; I < Count; ++I) {
    if (I == Count / 10)
      AtTenth = residentKiB();
    Times[I] = Function.once();
  }
  std::printf("grown %ld\n", residentKiB() - AtTenth);
  std::printf("maps %ld\n", countMaps());
  std::printf("us %.3f\n", median(std::move(Times)));
}

[[noreturn]] void usage() {
  std::fputs("usage: orc_peer [--reuse-passes] replace FILE COUNT all|called\n"
             "       orc_peer [--reuse-passes] link FILE COUNT\n"
             "       orc_peer [--reuse-passes] hot CALLS\n"
             "       orc_peer [--reuse-passes] remove-add CYCLES\n"
             "       orc_peer [--reuse-passes] redefine COUNT\n",
             stderr);
  std::exit(2);
}

} // namespace

int main(int ArgC, char **ArgV) {
  InitializeNativeTarget();
  InitializeNativeTargetAsmPrinter();
  std::vector<StringRef> Args(ArgV + 1, ArgV + ArgC);
  bool IsReusingPasses = !Args.empty() && Args[0] == "--reuse-passes";
  if (IsReusingPasses)
    Args.erase(Args.begin());
  auto Number = [&](size_t Place) {
    int Value = 0;
    if (Args[Place].getAsInteger(10, Value) || Value <= 0)
      usage();
    return Value;
  };
  auto Is = [&](StringRef What, size_t Count) {
    return Args.size() == Count + 1 && Args[0] == What;
  };
  Jit TheJit(IsReusingPasses);
  if (Is("replace", 3) && (Args[3] == "all" || Args[3] == "called"))
    replaceLoaded(TheJit, Args[1].data(), Number(2), Args[3] == "all");
  else if (Is("link", 2))
    replaceLinked(TheJit, Args[1].data(), Number(2));
  else if (Is("hot", 1))
    callReplaced(TheJit, Number(1));
  else if (Is("remove-add", 1))
    removeAndAdd(TheJit, Number(1));
  else if (Is("redefine", 1))
    redefine(TheJit, Number(1));
  else
    usage();
  return 0;
}
