// See inline_advisor.h.

#include "inline_advisor.h"
#include "continuations.h"
#include "inline_bodies.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/GlobalsModRef.h"
#include "llvm/Analysis/InlineAdvisor.h"
#include "llvm/Analysis/InlineCost.h"
#include "llvm/Analysis/ProfileSummaryInfo.h"
#include "llvm/Analysis/ReplayInlineAdvisor.h"
#include "llvm/Transforms/IPO/Inliner.h"

using namespace llvm;
using namespace rewire;

namespace {

// How often a group of functions that call one another is gone through again because a call by
// pointer became a direct one; as in LLVM's pipeline.
constexpr int kMostDevirtualisations = 4;

class NotingAdvice final : public InlineAdvice {
public:
  NotingAdvice(InlineAdvisor *advisor, CallBase &call, OptimizationRemarkEmitter &remarks,
               std::unique_ptr<InlineAdvice> standard)
      : InlineAdvice(advisor, call, remarks, standard->isInliningRecommended()),
        standard(std::move(standard)) {}

private:
  std::unique_ptr<InlineAdvice> standard;

  void recordInliningImpl() override {
    noteInlined(*Caller, *Callee);
    standard->recordInlining();
  }

  void recordInliningWithCalleeDeletedImpl() override {
    noteInlined(*Caller, *Callee);
    standard->recordInliningWithCalleeDeleted();
  }

  void recordUnsuccessfulInliningImpl(const InlineResult &result) override {
    standard->recordUnsuccessfulInlining(result);
  }

  void recordUnattemptedInliningImpl() override { standard->recordUnattemptedInlining(); }
};

bool calls(const Function &caller, const Function &callee) {
  return any_of(callee.users(), [&](const User *user) {
    auto *call = dyn_cast<CallBase>(user);
    return call && call->getFunction() == &caller && call->getCalledOperand() == &callee;
  });
}

class NotingAdvisor final : public InlineAdvisor {
public:
  NotingAdvisor(Module &module, FunctionAnalysisManager &functions, InlineParams parameters,
                InlineContext context)
      : InlineAdvisor(module, functions, context),
        standard(module, functions, parameters, context) {}

private:
  DefaultInlineAdvisor standard;

  std::unique_ptr<InlineAdvice> getAdviceImpl(CallBase &call) override {
    // Functions that call one another would become a loop that nothing leads out of.
    if (calls(*call.getCalledFunction(), *call.getCaller()))
      return nullptr;
    std::unique_ptr<InlineAdvice> advice = standard.getAdvice(call);
    if (!advice)
      return nullptr;
    return std::make_unique<NotingAdvice>(this, call, getCallerORE(call), std::move(advice));
  }
};

class SettlingPass : public PassInfoMixin<SettlingPass> {
public:
  PreservedAnalyses run(Function &function, FunctionAnalysisManager &) {
    return settleVariables(function) ? PreservedAnalyses::none() : PreservedAnalyses::all();
  }
};

} // namespace

void rewire::noteWhatIsInlined(ModuleAnalysisManager &modules) {
  modules.registerPass([] {
    return PluginInlineAdvisorAnalysis(
        [](Module &module, FunctionAnalysisManager &functions, InlineParams parameters,
           InlineContext context) -> InlineAdvisor * {
          return new NotingAdvisor(module, functions, parameters, context);
        });
  });
}

ModulePassManager rewire::inliningPasses(FunctionPassManager simplification) {
  using NotAgain = RequireAnalysisPass<ShouldNotRunFunctionPassesAnalysis, Function>;
  CGSCCPassManager group;
  group.addPass(InlinerPass());
  FunctionPassManager settling;
  settling.addPass(SettlingPass());
  group.addPass(createCGSCCToFunctionPassAdaptor(std::move(settling)));
  group.addPass(createCGSCCToFunctionPassAdaptor(std::move(simplification),
                                                 /*EagerlyInvalidate=*/false,
                                                 /*NoRerun=*/true));
  group.addPass(createCGSCCToFunctionPassAdaptor(NotAgain()));
  ModulePassManager passes;
  passes.addPass(RequireAnalysisPass<GlobalsAA, Module>());
  passes.addPass(RequireAnalysisPass<ProfileSummaryAnalysis, Module>());
  passes.addPass(createModuleToPostOrderCGSCCPassAdaptor(
      createDevirtSCCRepeatedPass(std::move(group), kMostDevirtualisations)));
  return passes;
}

void rewire::inlineBodies(ModulePassManager &passes, Module &module,
                          ModuleAnalysisManager &modules, OptimizationLevel level) {
  auto &advisor = modules.getResult<InlineAdvisorAnalysis>(module);
  const InlineParams parameters =
      getInlineParams(level.getSpeedupLevel(), level.getSizeLevel());
  advisor.tryCreate(parameters, InliningAdvisorMode::Default, {},
                    {ThinOrFullLTOPhase::None, InlinePass::CGSCCInliner});
  passes.run(module, modules);
}
