// For tests alone: lets torch_npu from 2.10 on load into a CUDA build of torch, which PyPI gives to x86_64 by default.
//
// Both register the same options of their allocators in one set of torch, which aborts the process at the second time.
// The set is emptied before torch_npu is imported. On a real machine the CPU build of torch is the answer.
#include <string>
#include <unordered_set>

std::unordered_set<std::string>& registered_keys() asm(
    "_ZN3c1016CachingAllocator26AcceleratorAllocatorConfig14getMutableKeysB5cxx11Ev");

extern "C" __attribute__((visibility("default"))) void simnpu_forget_keys() { registered_keys().clear(); }
