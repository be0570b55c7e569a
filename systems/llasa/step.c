/* One frame of small Llasa in float32, batch 1: what `small.SmallLlasa.read` and `small.DigitHead.sample` compute, without
   a call for every operation. Compiled by `native.py` where there is a C compiler; all matrices stand row by row in one
   block of weights, in the order in which they are read. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

enum { DIM, LAYERS, HEADS, HIDDEN, DIGITS, WIDTH, MOST, DRAWS, FIXED }; /* then the digits of each draw */
#define LARGEST 8192                                                   /* of any width, checked by native.py */

/* Room for `count` floats on large pages, where the system has them: a page's end stops the processor's prefetching. */
float *room(size_t count) {
    size_t page = 1 << 21, bytes = (count * sizeof(float) + page - 1) / page * page;
    float *block = aligned_alloc(page, bytes);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (block) madvise(block, bytes, MADV_HUGEPAGE);
#endif
    return block;
}

void give_back(float *block) { free(block); }

static const float *take(const float **weights, size_t count) {
    const float *here = *weights;
    *weights += count;
    return here;
}

static float dot(const float *a, const float *b, int n) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* y (rows,) += w (rows, n) x; four rows at a time keep the memory busy */
static void product(float *y, const float *w, const float *x, int rows, int n) {
    int row = 0;
    for (; row + 4 <= rows; row += 4) {
        const float *p = w + (size_t)row * n, *q = p + n, *r = q + n, *s = r + n;
        float a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
        for (int i = 0; i < n; i++) {
            a += p[i] * x[i];
            b += q[i] * x[i];
            c += r[i] * x[i];
            d += s[i] * x[i];
        }
        y[row] += a, y[row + 1] += b, y[row + 2] += c, y[row + 3] += d;
    }
    for (; row < rows; row++) y[row] += dot(w + (size_t)row * n, x, n);
}

static void norm(float *y, const float *x, const float *weight, const float *bias, int n, float eps) {
    float mean = 0, square = 0;
#pragma omp simd reduction(+ : mean)
    for (int i = 0; i < n; i++) mean += x[i];
    mean /= n;
#pragma omp simd reduction(+ : square)
    for (int i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
    float scale = 1 / sqrtf(square / n + eps);
    for (int i = 0; i < n; i++) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

static void turn(float *x, const float *cosine, const float *sine, int half) {
    for (int i = 0; i < half; i++) {
        float one = x[i], two = x[i + half];
        x[i] = one * cosine[i] - two * sine[i];
        x[i + half] = two * cosine[i] + one * sine[i];
    }
}

/* out (width,) = softmax(q k / sqrt(width)) v over `length` keys and values (length, width) */
static void attend(float *out, const float *q, const float *k, const float *v, int length, int width, float *scores) {
    float scale = 1 / sqrtf((float)width), most = -INFINITY, total = 0;
    for (int t = 0; t < length; t++) {
        scores[t] = scale * dot(q, k + (size_t)t * width, width);
        if (scores[t] > most) most = scores[t];
    }
    for (int t = 0; t < length; t++) total += scores[t] = expf(scores[t] - most);
    memset(out, 0, width * sizeof(float));
    for (int t = 0; t < length; t++) {
        float chance = scores[t] / total;
        const float *value = v + (size_t)t * width;
        for (int i = 0; i < width; i++) out[i] += chance * value[i];
    }
}

/* Read the frame `rows` (rows of the code table) at place `at` of the clock into caches of `length` positions, each layer's
   keys and values (heads, capacity, dim / heads); what the next frame is predicted from goes to out (dim,). */
void read_frame(const float *weights, const int32_t *size, float eps, const int64_t *rows, float **keys, float **values,
                int64_t length, int64_t capacity, float at, float *scores, float *out) {
    int dim = size[DIM], heads = size[HEADS], hidden = size[HIDDEN], width = dim / heads, half = width / 2;
    float y[LARGEST], z[LARGEST], x[LARGEST], cosine[LARGEST], sine[LARGEST];
    const float *rates = take(&weights, half);
    for (int i = 0; i < half; i++) cosine[i] = cosf(at * rates[i]), sine[i] = sinf(at * rates[i]);
    const float *table = take(&weights, (size_t)size[FIXED + size[DRAWS]] * dim);
    memset(x, 0, dim * sizeof(float));
    for (int digit = 0; digit < size[DIGITS]; digit++)
        for (int i = 0; i < dim; i++) x[i] += table[(size_t)rows[digit] * dim + i];
    for (int layer = 0; layer < size[LAYERS]; layer++) {
        const float *weight = take(&weights, dim), *bias = take(&weights, dim);
        norm(y, x, weight, bias, dim, eps);
        memset(z, 0, 3 * dim * sizeof(float));
        product(z, take(&weights, (size_t)3 * dim * dim), y, 3 * dim, dim);
        for (int head = 0; head < heads; head++) {
            float *q = z + head * width, *k = q + dim, *v = k + dim;
            size_t start = (size_t)head * capacity * width, here = start + (size_t)length * width;
            turn(q, cosine, sine, half);
            turn(k, cosine, sine, half);
            memcpy(keys[layer] + here, k, width * sizeof(float));
            memcpy(values[layer] + here, v, width * sizeof(float));
            attend(y + head * width, q, keys[layer] + start, values[layer] + start, length + 1, width, scores);
        }
        product(x, take(&weights, (size_t)dim * dim), y, dim, dim);
        weight = take(&weights, dim), bias = take(&weights, dim);
        norm(y, x, weight, bias, dim, eps);
        memset(z, 0, hidden * sizeof(float));
        product(z, take(&weights, (size_t)hidden * dim), y, hidden, dim);
        for (int i = 0; i < hidden; i++) z[i] = z[i] > 0 ? z[i] : 0;
        product(x, take(&weights, (size_t)dim * hidden), z, dim, hidden);
    }
    const float *weight = take(&weights, dim), *bias = take(&weights, dim);
    norm(out, x, weight, bias, dim, eps);
}

/* Draw the digits of a frame from hidden (dim,): the likeliest values of logits + bias (digits, most). Returns whether the
   first digit was the end, `levels` of it. `codes` receives the digits, `first` says where their rows of `before` begin. */
int draw_frame(const float *weights, const int32_t *size, const float *hidden, const float *bias, const int64_t *first,
               int64_t levels, int64_t *codes) {
    int dim = size[DIM], width = size[WIDTH], most = size[MOST], digit = 0, over = 0;
    float entered[LARGEST], x[LARGEST], y[LARGEST], logits[LARGEST];
    memcpy(entered, take(&weights, width), width * sizeof(float));
    product(entered, take(&weights, (size_t)width * dim), hidden, width, dim);
    const float *before = take(&weights, (size_t)size[FIXED + size[DRAWS]] * width);
    const float *middle_bias = take(&weights, width), *middle = take(&weights, (size_t)width * width);
    for (int draw = 0; draw < size[DRAWS]; draw++) {
        int count = size[FIXED + draw];
        const float *place = take(&weights, width);
        for (int i = 0; i < width; i++) x[i] = entered[i] + place[i] > 0 ? entered[i] + place[i] : 0;
        memcpy(y, middle_bias, width * sizeof(float));
        product(y, middle, x, width, width);
        for (int i = 0; i < width; i++) x[i] += y[i] > 0 ? y[i] : 0;
        memcpy(logits, bias + digit * most, count * most * sizeof(float));
        product(logits, take(&weights, (size_t)count * most * width), x, count * most, width);
        for (int one = 0; one < count; one++, digit++) {
            int best = 0;
            for (int value = 1; value < most; value++)
                if (logits[one * most + value] > logits[one * most + best]) best = value;
            if (digit == 0 && best >= levels) over = 1, best = levels - 1;
            codes[digit] = best;
            const float *row = before + (size_t)(first[digit] + best) * width;
            for (int i = 0; i < width; i++) entered[i] += row[i];
        }
    }
    return over;
}
