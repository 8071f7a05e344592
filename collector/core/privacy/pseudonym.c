// Keyed pseudonyms: HMAC-SHA-256 (RFC 2104) by libcrypto, SipHash for flow ids.

// SHA-256 whose state is ours to copy: libcrypto 3's own HMAC() looks up its algorithms by name and
// allocates at each call, which makes it seven times as dear, and a flood makes a client a packet.
#define OPENSSL_API_COMPAT 10101

#include "core/privacy/pseudonym.h"

#include "core/base/compiler.h"
#include "core/base/hash.h"
#include "core/privacy/hmac_lanes.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

// A key of HMAC, taken in: the hash's state after either padded key (RFC 2104 section 4).
struct hmac_key {
	SHA256_CTX inner, outer;
};

struct pseudonym {
	struct hmac_key keys[PSEUDONYM_PURPOSE_COUNT];
	struct hash_key flow;
	uint8_t key[32]; // while keys are derived
	uint8_t file[PSEUDONYM_FILE_MAX]; // while it is read
};

static void take_in(struct hmac_key *ret, const uint8_t key[32])
{
	uint8_t padded[SHA256_CBLOCK] = {0};

	memcpy(padded, key, 32);
	for (size_t i = 0; i < sizeof(padded); i++)
		padded[i] ^= 0x36;
	SHA256_Init(&ret->inner);
	SHA256_Update(&ret->inner, padded, sizeof(padded));
	for (size_t i = 0; i < sizeof(padded); i++)
		padded[i] ^= 0x36 ^ 0x5c;
	SHA256_Init(&ret->outer);
	SHA256_Update(&ret->outer, padded, sizeof(padded));
	OPENSSL_cleanse(padded, sizeof(padded));
}

// A key for each purpose from the secret.
static void derive(struct pseudonym *p, const void *secret, size_t len)
{
	for (uint8_t purpose = 1; purpose < PSEUDONYM_PURPOSE_COUNT; purpose++) {
		uint8_t label[] = "weir pseudonym 0";
		label[sizeof(label) - 2] = (uint8_t)('0' + purpose);
		// Fails for want of memory only; a pseudonym that was not made must not leave.
		REQUIRE(HMAC(EVP_sha256(), secret, (int)len, label, sizeof(label) - 1, p->key,
				NULL) != NULL);
		take_in(&p->keys[purpose], p->key);
		if (purpose == PSEUDONYM_FLOW)
			memcpy(&p->flow, p->key, sizeof(p->flow));
	}
	OPENSSL_cleanse(p->key, sizeof(p->key));
}

// By the open file, not by its name: what is checked is what is read.
static int check_key_file(int fd, const char *path, struct problems *problems)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		problems_add(problems, path, 0, "cannot look at the key file: %s", strerror(errno));
		return -EINVAL;
	}
	if (!S_ISREG(st.st_mode)) {
		problems_add(problems, path, 0, "the key file must be a regular file");
		return -EINVAL;
	}
	if ((st.st_mode & 077) != 0) {
		problems_add(problems, path, 0,
			"the key file may be readable by its owner only: its mode is %03o, allowed "
			"are 600 and 400",
			(unsigned)(st.st_mode & 0777));
		return -EINVAL;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		problems_add(problems, path, 0,
			"the key file must belong to root or to the user who starts weir");
		return -EINVAL;
	}
	if (st.st_size < PSEUDONYM_FILE_MIN || st.st_size > PSEUDONYM_FILE_MAX) {
		problems_add(problems, path, 0,
			"the key file must hold %d to %d octets, it holds %lld", PSEUDONYM_FILE_MIN,
			PSEUDONYM_FILE_MAX, (long long)st.st_size);
		return -EINVAL;
	}
	return 0;
}

// A file of zeros, or of one letter, is no secret.
static bool is_one_octet(const uint8_t *bytes, size_t len)
{
	return memcmp(bytes, bytes + 1, len - 1) == 0;
}

static int read_key_file(struct pseudonym *p, const char *path, struct problems *problems)
{
	int err = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		err = -errno;
		problems_add(problems, path, 0, "cannot open the key file: %s", strerror(errno));
		return err;
	}
	err = check_key_file(fd, path, problems);
	if (err == 0) {
		ssize_t len = read(fd, p->file, sizeof(p->file));
		if (len < PSEUDONYM_FILE_MIN) {
			problems_add(problems, path, 0, "cannot read the key file");
			err = -EIO;
		} else if (is_one_octet(p->file, (size_t)len)) {
			problems_add(problems, path, 0,
				"the key file holds one octet over and over; make one by "
				"head -c 32 /dev/urandom");
			err = -EINVAL;
		} else {
			derive(p, p->file, (size_t)len);
		}
		OPENSSL_cleanse(p->file, sizeof(p->file));
	}
	close(fd);
	return err;
}

static int make_key(struct pseudonym *p, uint64_t seed, struct problems *problems)
{
	if (seed != 0) {
		uint8_t secret[16] = "weir seed";
		memcpy(secret + 8, &seed, sizeof(seed));
		derive(p, secret, sizeof(secret));
		return 0;
	}
	if (getrandom(p->file, 32, 0) != 32) {
		problems_add(problems, NULL, 0, "the kernel gives no random key for pseudonyms");
		return -EIO;
	}
	derive(p, p->file, 32);
	OPENSSL_cleanse(p->file, 32);
	return 0;
}

int pseudonym_new(
	struct pseudonym **ret, const char *path, uint64_t seed, struct problems *problems)
{
	struct pseudonym *p =
		mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	if (mlock(p, sizeof(*p)) < 0) {
		int err = -errno;
		problems_add(problems, NULL, 0,
			"cannot lock the memory of the pseudonym key (%s): allow it by ulimit -l "
			"or LimitMEMLOCK",
			strerror(errno));
		munmap(p, sizeof(*p));
		return err;
	}
	madvise(p, sizeof(*p), MADV_DONTDUMP);
	madvise(p, sizeof(*p), MADV_WIPEONFORK);

	int err = path != NULL ? read_key_file(p, path, problems) : make_key(p, seed, problems);
	if (err) {
		pseudonym_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

void pseudonym_free(struct pseudonym *pseudonym)
{
	if (pseudonym == NULL)
		return;
	OPENSSL_cleanse(pseudonym, sizeof(*pseudonym));
	munmap(pseudonym, sizeof(*pseudonym));
}

void pseudonym_make(const struct pseudonym *pseudonym, enum pseudonym_purpose purpose,
	const void *message, size_t len, uint8_t ret[32])
{
	SHA256_CTX state = pseudonym->keys[purpose].inner;
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256_Update(&state, message, len);
	SHA256_Final(digest, &state);
	state = pseudonym->keys[purpose].outer;
	SHA256_Update(&state, digest, sizeof(digest));
	SHA256_Final(ret, &state);
}

// FIPS 180-4 section 5.1.1: the end mark, and how many bits there are with the padded key's.
static void end_block(struct pseudonym_short *message)
{
	uint64_t bits = 8 * (PSEUDONYM_BLOCK + (uint64_t)message->len);

	message->block[message->len] = 0x80;
	for (unsigned i = 0; i < 8; i++)
		message->block[PSEUDONYM_BLOCK - 1 - i] = (uint8_t)(bits >> 8 * i);
}

// The state as the digest has it.
static void write_digest(const SHA256_CTX *state, uint8_t digest[SHA256_DIGEST_LENGTH])
{
	for (unsigned i = 0; i < 8; i++) {
		uint32_t word = state->h[i];
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		word = __builtin_bswap32(word);
#endif
		memcpy(digest + 4 * i, &word, 4);
	}
}

// Of one block each on what either padded key left: SHA256_Transform() looks at `h` alone.
static void hash_blocks(const SHA256_CTX *after_key, struct pseudonym_short *messages, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		SHA256_CTX state;
		memcpy(state.h, after_key->h, sizeof(state.h));
		SHA256_Transform(&state, messages[i].block);
		write_digest(&state, messages[i].block);
	}
}

// Those that are worked on together, each with its end.
static void make_one_by_one(
	const struct hmac_key *key, struct pseudonym_short *messages, size_t count)
{
	hash_blocks(&key->inner, messages, count);
	for (size_t i = 0; i < count; i++) {
		memset(messages[i].block + SHA256_DIGEST_LENGTH, 0,
			PSEUDONYM_BLOCK - SHA256_DIGEST_LENGTH);
		messages[i].len = SHA256_DIGEST_LENGTH;
		end_block(&messages[i]);
	}
	hash_blocks(&key->outer, messages, count);
}

void pseudonym_make_short(const struct pseudonym *pseudonym, enum pseudonym_purpose purpose,
	struct pseudonym_short *messages, size_t count)
{
	const struct hmac_key *key = &pseudonym->keys[purpose];

	for (size_t i = 0; i < count; i++)
		end_block(&messages[i]);
	while (count > 0) {
		size_t some = MIN(count, (size_t)HMAC_LANES);
		if (hmac_lanes_pay(some))
			hmac_lanes(key->inner.h, key->outer.h, messages->block, sizeof(*messages),
				some);
		else
			make_one_by_one(key, messages, some);
		messages += some;
		count -= some;
	}
}

uint64_t pseudonym_word(const struct pseudonym *pseudonym, uint64_t word)
{
	return hash_words(&pseudonym->flow, &word, 1);
}
