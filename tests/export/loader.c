/* Runs a SavedModel with TensorFlow's C API, without Python, by the loader that TensorFlow Serving uses.

   loader LIBRARY SAVED_MODEL REQUEST

   REQUEST is text: a line "feed NAME TYPE RANK SIZE... FILE" for each input, a line "fetch NAME FILE" for each output;
   NAME is OPERATION:INDEX, TYPE a TF_DataType. A file has the values as they lie in memory; strings have their length as
   8 bytes before each. The values of each fetch go to its FILE, after a line "TYPE RANK SIZE..." on standard output. */

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

static void *library;
/* The function of the library, with the type that its header declares. */
#define CALL(name) ((__typeof__(&name))symbol(#name))

static void *symbol(const char *name) {
  void *function = dlsym(library, name);
  if (!function) { fprintf(stderr, "no %s\n", name); exit(2); }
  return function;
}

static void check(TF_Status *status) {
  if (CALL(TF_GetCode)(status) != TF_OK) { fprintf(stderr, "%s\n", CALL(TF_Message)(status)); exit(1); }
}

static char *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) { perror(path); exit(2); }
  fseek(file, 0, SEEK_END);
  *length = (size_t)ftell(file);
  rewind(file);
  char *data = malloc(*length + 1);
  if (fread(data, 1, *length, file) != *length) { perror(path); exit(2); }
  fclose(file);
  return data;
}

static TF_Output find_output(TF_Graph *graph, char *name) {
  char *colon = strrchr(name, ':');
  *colon = 0;
  TF_Output output = {CALL(TF_GraphOperationByName)(graph, name), atoi(colon + 1)};
  if (!output.oper) { fprintf(stderr, "no operation %s\n", name); exit(1); }
  return output;
}

static TF_Tensor *read_tensor(TF_DataType type, int64_t *sizes, int rank, const char *path) {
  size_t length, count = 1;
  char *data = read_file(path, &length);
  for (int i = 0; i < rank; i++) count *= (size_t)sizes[i];
  TF_Tensor *tensor;
  if (type == TF_STRING) {
    tensor = CALL(TF_AllocateTensor)(type, sizes, rank, count * sizeof(TF_TString));
    TF_TString *strings = CALL(TF_TensorData)(tensor);
    char *next = data;
    for (size_t i = 0; i < count; i++) {
      uint64_t size;
      memcpy(&size, next, 8);
      CALL(TF_StringInit)(&strings[i]);
      CALL(TF_StringCopy)(&strings[i], next + 8, size);
      next += 8 + size;
    }
  } else {
    tensor = CALL(TF_AllocateTensor)(type, sizes, rank, length);
    memcpy(CALL(TF_TensorData)(tensor), data, length);
  }
  free(data);
  return tensor;
}

static void write_tensor(TF_Tensor *output, const char *path) {
  int rank = CALL(TF_NumDims)(output);
  size_t count = 1;
  printf("%d %d", CALL(TF_TensorType)(output), rank);
  for (int i = 0; i < rank; i++) {
    int64_t size = CALL(TF_Dim)(output, i);
    printf(" %lld", (long long)size);
    count *= (size_t)size;
  }
  printf("\n");
  FILE *file = fopen(path, "wb");
  if (CALL(TF_TensorType)(output) == TF_STRING) {
    TF_TString *strings = CALL(TF_TensorData)(output);
    for (size_t i = 0; i < count; i++) {
      uint64_t size = CALL(TF_StringGetSize)(&strings[i]);
      fwrite(&size, 8, 1, file);
      fwrite(CALL(TF_StringGetDataPointer)(&strings[i]), 1, size, file);
    }
  } else {
    fwrite(CALL(TF_TensorData)(output), 1, CALL(TF_TensorByteSize)(output), file);
  }
  fclose(file);
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  library = dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL);
  if (!library) { fprintf(stderr, "%s\n", dlerror()); return 2; }
  TF_Status *status = CALL(TF_NewStatus)();
  TF_Graph *graph = CALL(TF_NewGraph)();
  TF_SessionOptions *options = CALL(TF_NewSessionOptions)();
  const char *tags[] = {"serve"};
  TF_Session *session = CALL(TF_LoadSessionFromSavedModel)(options, NULL, arguments[2], tags, 1, graph, NULL, status);
  check(status);

  TF_Output feeds[64], fetches[64];
  TF_Tensor *inputs[64], *outputs[64] = {0};
  char files[64][512], kind[16], name[512], path[512];
  int feed_count = 0, fetch_count = 0;
  FILE *request = fopen(arguments[3], "r");
  while (request && fscanf(request, "%15s %511s", kind, name) == 2) {
    if (!strcmp(kind, "feed")) {
      int type, rank;
      int64_t sizes[8];
      if (fscanf(request, "%d %d", &type, &rank) != 2 || rank > 8) return 2;
      for (int i = 0; i < rank; i++) {
        long long size;
        if (fscanf(request, "%lld", &size) != 1) return 2;
        sizes[i] = size;
      }
      if (fscanf(request, "%511s", path) != 1) return 2;
      feeds[feed_count] = find_output(graph, name);
      inputs[feed_count++] = read_tensor((TF_DataType)type, sizes, rank, path);
    } else {
      if (fscanf(request, "%511s", files[fetch_count]) != 1) return 2;
      fetches[fetch_count++] = find_output(graph, name);
    }
  }
  CALL(TF_SessionRun)(session, NULL, feeds, inputs, feed_count, fetches, outputs, fetch_count, NULL, 0, NULL, status);
  check(status);
  for (int i = 0; i < fetch_count; i++) write_tensor(outputs[i], files[i]);
  return 0;
}
