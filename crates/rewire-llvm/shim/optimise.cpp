// From an extracted module to one that is ready for code generation: IR passes.

#include "optimise.h"
#include "codegen.h"
#include "continuations.h"
#include "coroutines.h"
#include "index.h"
#include "inline_advisor.h"
#include "inline_bodies.h"
#include "instrument.h"
#include "rare_polls.h"
#include "stale_checks.h"
#include "thread_locals.h"
#include "llvm/Transforms/IPO/AlwaysInliner.h"
#include "llvm/Transforms/IPO/InferFunctionAttrs.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/CallSiteSplitting.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LowerExpectIntrinsic.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

using namespace llvm;
using namespace rewire;

// Addresses, because the objects may be constructed after this one.
static const OptimizationLevel *const kLevels[] = {&OptimizationLevel::O0, &OptimizationLevel::O1,
                                                   &OptimizationLevel::O2, &OptimizationLevel::O3};

Optimiser::Optimiser(TargetMachine &machine, OptimizationLevel level,
                     std::optional<std::string> chosen)
    : builder(&machine), level(level), chosen(std::move(chosen)) {
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(groups);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, groups, modules);
  noteWhatIsInlined(modules);
  early_passes.addPass(
      AlwaysInlinerPass(/*InsertLifetimeIntrinsics=*/level != OptimizationLevel::O0));
  if (level == OptimizationLevel::O0 || this->chosen)
    return;
  early_passes.addPass(InferFunctionAttrsPass());
  FunctionPassManager early;
  early.addPass(LowerExpectIntrinsicPass());
  early.addPass(SimplifyCFGPass(SimplifyCFGOptions().convertSwitchRangeToICmp(true)));
  early.addPass(SROAPass(SROAOptions::ModifyCFG));
  early.addPass(EarlyCSEPass());
  if (level == OptimizationLevel::O3)
    early.addPass(CallSiteSplittingPass());
  early.addPass(InstCombinePass());
  early.addPass(SimplifyCFGPass(SimplifyCFGOptions().convertSwitchRangeToICmp(true)));
  early_passes.addPass(createModuleToFunctionPassAdaptor(std::move(early)));
  const auto simplification = [&] {
    return builder.buildFunctionSimplificationPipeline(level, ThinOrFullLTOPhase::None);
  };
  simplifying_passes.addPass(createModuleToFunctionPassAdaptor(simplification()));
  inlining_passes.addPass(inliningPasses(simplification()));
  passes.addPass(builder.buildModuleOptimizationPipeline(level, ThinOrFullLTOPhase::None));
}

void Optimiser::run(Module &module, Lowerings lowerings, std::vector<size_t> &inlined) {
  const bool has_bodies = hasBodies(module);
  if (asksForInstrumentation(module))
    instrument(module, functions);
  if (has_bodies) {
    noteMandatory(module);
    checkInLoops(module);
  }
  early_passes.run(module, modules);
  if (lowerings.any())
    loweringPasses(lowerings, level).run(module, modules);
  if (level != OptimizationLevel::O0 && useThreadLocalAddresses(module))
    modules.invalidate(module, PreservedAnalyses::none());
  const bool inlines_more = !chosen && has_bodies && hasOptionalBodies(module);
  if (!inlines_more) {
    bool is_changed = false;
    for (Function &function : module)
      is_changed |= settleVariables(function);
    if (is_changed)
      modules.invalidate(module, PreservedAnalyses::none());
  }
  if (chosen) {
    // Whatever passes a client chooses may inline, or learn from, any body that is there.
    noteAll(module);
    // Some passes can't be used twice.
    ModulePassManager once;
    if (!chosen->empty())
      cantFail(builder.parsePassPipeline(once, *chosen));
    once.run(module, modules);
  } else if (inlines_more) {
    inlineBodies(inlining_passes, module, modules, level);
  } else {
    simplifying_passes.run(module, modules);
  }
  if (has_bodies) {
    forget();
    dropBodies(module, inlined);
    if (level != OptimizationLevel::O0 && !chosen)
      simplifyPolledLoops(module);
  }
  passes.run(module, modules);
  forget();
}

void Optimiser::simplifyPolledLoops(Module &module) {
  bool is_changed = false;
  for (Function &function : module)
    if (!function.isDeclaration())
      is_changed |= pollRarely(function, functions);
  if (is_changed)
    simplifying_passes.run(module, modules);
}

void Optimiser::forget() {
  modules.clear();
  groups.clear();
  functions.clear();
  loops.clear();
}

bool RewireCodegen::runsPasses(const Module &module) const {
  if (level > 0 || chosen_passes || findLowerings(module).any() || asksForInstrumentation(module))
    return true;
  return llvm::any_of(module, [](const Function &function) {
    return function.hasAvailableExternallyLinkage() ||
           (!function.isDeclaration() && function.hasFnAttribute(Attribute::AlwaysInline));
  });
}

void rewire_optimise(RewireCodegen *codegen, LLVMModuleRef module) {
  Module &ir = *unwrap(module);
  keepCallers(ir);
  countFrames(ir);
  codegen->inlined.clear();
  if (!codegen->runsPasses(ir))
    return;
  const Lowerings lowerings = findLowerings(ir);
  if (!codegen->optimiser) {
    codegen->optimiser = std::make_unique<Optimiser>(
        *codegen->machine, *kLevels[codegen->level], codegen->chosen_passes);
  }
  codegen->optimiser->run(ir, lowerings, codegen->inlined);
  if (lowerings.coroutines)
    shareNoopFrame(ir);
}

// What works between functions changes itself when it runs, so this pipeline is made anew; that
// costs a millisecond, and whole units are few.
void rewire_optimise_whole(RewireCodegen *codegen, LLVMModuleRef module) {
  if (codegen->level == 0 || codegen->chosen_passes)
    return rewire_optimise(codegen, module);
  Module &ir = *unwrap(module);
  keepCallers(ir);
  codegen->inlined.clear();
  const bool has_bodies = hasBodies(ir);
  if (has_bodies)
    noteMandatory(ir);
  const OptimizationLevel level = *kLevels[codegen->level];
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager groups;
  ModuleAnalysisManager modules;
  PassBuilder builder(codegen->machine.get());
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(groups);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, groups, modules);
  countFrames(ir);
  if (asksForInstrumentation(ir))
    instrument(ir, functions);
  Lowerings lowerings = findLowerings(ir);
  // The default pipeline splits coroutines at the best moment, but has nothing for the others.
  lowerings.coroutines = false;
  if (lowerings.any())
    loweringPasses(lowerings, level).run(ir, modules);
  useThreadLocalAddresses(ir);
  builder.buildPerModuleDefaultPipeline(level).run(ir, modules);
  if (has_bodies)
    dropBodies(ir, codegen->inlined);
  shareNoopFrame(ir);
}

bool rewire_set_passes(RewireCodegen *codegen, const char *text, size_t length, char **error) {
  const StringRef passes(text, length);
  PassBuilder builder(codegen->machine.get());
  ModulePassManager parsed;
  if (!passes.empty())
    if (Error problem = builder.parsePassPipeline(parsed, passes)) {
      *error = newMessage(toString(std::move(problem)));
      return true;
    }
  codegen->chosen_passes = passes.str();
  codegen->optimiser.reset();
  return false;
}

const size_t *rewire_inlined(const RewireCodegen *codegen, size_t *count) {
  *count = codegen->inlined.size();
  return codegen->inlined.data();
}
