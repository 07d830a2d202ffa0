# red5-tls-proxy. `make help` lists the targets.

VERSION    ?= 0.1.0
CC         ?= cc
PREFIX     ?= /usr/local
DESTDIR    ?=
CFLAGS     ?= -O2 -g
PKG_CONFIG ?= pkg-config
PYTEST     ?= /usr/bin/python3 -m pytest
CLANG      ?= clang

FUZZ_SECONDS ?= 60

# V=1 shows whole commands.
Q = $(if $(V),,@echo '  $(@)';)

# Debian 12 has llhttp's C sources alone, where node-llhttp puts them; newer releases a library.
LLHTTP_SOURCES ?= /usr/share/llhttp
LLHTTP_INCLUDE ?= /usr/share/include/llhttp
llhttp_library := $(shell $(PKG_CONFIG) --exists libllhttp 2>/dev/null && echo libllhttp)
llhttp_objects  = $(if $(llhttp_library),,$(addprefix llhttp/,llhttp.o api.o http.o))

LIBRARIES = openssl libuv inih $(llhttp_library)

WARNINGS  = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
HARDENING = -fPIE -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
SANITIZE  = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
DEFINES   = -std=c17 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -I. $(if $(llhttp_library),,-isystem $(LLHTTP_INCLUDE))

# Asked for once, when a target that compiles is made: `make help` and `make
# demo` must work before anything is installed.
library_cflags = $(eval library_cflags := $$(shell $(PKG_CONFIG) --cflags $(LIBRARIES)))$(library_cflags)
library_libs   = $(eval library_libs := $$(shell $(PKG_CONFIG) --libs $(LIBRARIES)))$(library_libs)
cmocka_libs    = $(eval cmocka_libs := $$(shell $(PKG_CONFIG) --libs cmocka))$(cmocka_libs)

sources = $(wildcard base/*.c config/*.c http/*.c tls/*.c proxy/*.c)
tests   = $(patsubst test/unit/%.c,build/asan/%,$(wildcard test/unit/test_*.c))

fuzzers = $(patsubst test/fuzz/fuzz_%.c,%,$(wildcard test/fuzz/fuzz_*.c))

.PHONY: all asan test test-ktls test-ktls-qemu lint unit integration test-red5 soak fuzz bench demo install clean help
.DEFAULT_GOAL := all

all: build/red5-tls-proxy ## build build/red5-tls-proxy

build/red5-tls-proxy: $(sources:%.c=build/%.o) $(llhttp_objects:%=build/%)
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS) -o $@ $^ $(library_libs)

build/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(DEFINES) $(WARNINGS) $(HARDENING) $(CPPFLAGS) $(CFLAGS) $(library_cflags) -MMD -MP -c -o $@ $<

asan: build/asan/red5-tls-proxy ## the same with AddressSanitizer and UBSan, for tests

build/asan/red5-tls-proxy: $(sources:%.c=build/asan/%.o) $(llhttp_objects:%=build/asan/%)
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(library_libs)

build/asan/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(DEFINES) $(WARNINGS) -O1 -g $(SANITIZE) $(CPPFLAGS) $(library_cflags) -MMD -MP -c -o $@ $<

# Not ours: without our warnings.
build/llhttp/%.o: $(LLHTTP_SOURCES)/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(HARDENING) $(CFLAGS) -I$(LLHTTP_INCLUDE) -c -o $@ $<

build/asan/llhttp/%.o: $(LLHTTP_SOURCES)/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) -O1 -g $(SANITIZE) -I$(LLHTTP_INCLUDE) -c -o $@ $<

# Said before the compiler misses the header.
$(addsuffix /http/agree.o,build build/asan build/fuzz): | $(if $(llhttp_library),,$(LLHTTP_SOURCES)/llhttp.c)

$(LLHTTP_SOURCES)/%.c:
	@echo 'llhttp is missing: neither pkg-config finds libllhttp, nor is there $@.' >&2
	@echo 'scripts/install-deps --build installs it.' >&2
	@exit 1

# A unit test links the whole program but its main, or the objects it names.
test_objects             = $(filter-out build/asan/proxy/main.o,$(sources:%.c=build/asan/%.o)) $(llhttp_objects:%=build/asan/%)
test_channel_objects     = $(addprefix build/asan/,proxy/channel.o proxy/splice.o base/pool.o base/pipe.o test/unit/fake_conn.o)
test_exchange_objects    = $(filter-out build/asan/proxy/%,$(test_objects)) $(addprefix build/asan/,proxy/exchange.o proxy/request.o proxy/response.o proxy/gather.o proxy/channel.o proxy/splice.o test/unit/fake_conn.o)
test_session_http_objects = $(test_exchange_objects) build/asan/proxy/session_http.o build/asan/proxy/end.o
test_tls_objects         = $(test_objects) $(addprefix build/asan/test/unit/,authority.o tls_client.o tls_pair.o)
test_certificate_objects = $(test_tls_objects)
test_hostile_alone_objects = $(addprefix build/asan/http/,head.o body.o field.o chars.o)
test_tickets_objects     = $(test_tls_objects)
test_policy_objects      = $(test_tls_objects)
test_verify_objects      = $(test_tls_objects)
test_staple_objects      = $(test_tls_objects)

.SECONDEXPANSION:
build/asan/test_%: build/asan/test/unit/test_%.o $$(or $$(test_$$*_objects),$(test_objects))
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(library_libs) $(cmocka_libs)

hostile = $(addprefix build/asan/test/unit/,test_hostile.o test_hostile_alone.o)
$(hostile): build/hostile_cases.h
$(hostile): DEFINES += -Ibuild

build/hostile_cases.h: test/lib/hostile.py
	@mkdir -p $(@D)
	$(Q)python3 $< >$@

# A fuzzer: clang's libFuzzer with what only computes, instrumented alike.
FUZZED = -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined

fuzz_objects = $(patsubst %.c,build/fuzz/%.o,$(filter base/% config/% http/% tls/%,$(sources))) $(llhttp_objects:%=build/fuzz/%)

build/fuzz/fuzz_%: build/fuzz/test/fuzz/fuzz_%.o $(fuzz_objects)
	$(Q)$(CLANG) -fsanitize=address,undefined,fuzzer -o $@ $^ $(library_libs)

build/fuzz/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(DEFINES) $(FUZZED) $(library_cflags) -MMD -MP -c -o $@ $<

build/fuzz/llhttp/%.o: $(LLHTTP_SOURCES)/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZED) -I$(LLHTTP_INCLUDE) -c -o $@ $<

.PRECIOUS: build/%.o build/asan/%.o build/asan/test/unit/%.o build/fuzz/%.o
-include $(wildcard build/*/*.d build/asan/*/*.d build/asan/test/unit/*.d build/fuzz/*/*.d build/fuzz/test/fuzz/*.d build/test/bench/*.d)

# The parts of a test run each install nothing; `test` does, for all of them.
test: ## install what is missing, then lint, unit and integration tests
	scripts/install-deps --build --test
	$(MAKE) lint unit integration test-red5
	$(MAKE) fuzz FUZZ_SECONDS=2

lint: ## layers, clang-tidy, clang-format, shellcheck
	scripts/check-layers --self-test
	scripts/check-layers
	clang-format --dry-run --Werror $(wildcard base/*.[ch] config/*.[ch] http/*.[ch] tls/*.[ch] proxy/*.[ch] test/unit/*.[ch] test/fuzz/*.[ch] test/bench/*.[ch])
	printf '%s\n' $(sources) | xargs -P 2 -n 4 clang-tidy --quiet --warnings-as-errors='*' 2>/dev/null
	shellcheck $(shell grep -lE '^#!.*sh$$' scripts/* .ci/run)

unit: $(tests) ## unit tests, with sanitizers
	@status=0; for t in $(tests); do ./$$t || status=1; done; exit $$status

integration: all asan build/bench/load ## real clients and servers against the real program
	$(PYTEST) -n 2 --dist loadgroup -q test/integration

test-red5: all asan ## the same with a real Red5 behind it, out of Maven Central
	$(PYTEST) -n 2 --dist loadgroup -q test/red5

SOAK_SECONDS ?= 1800

soak: all asan ## a stream of SOAK_SECONDS (1800) through Red5, certificates renewed meanwhile
	SOAK_SECONDS=$(SOAK_SECONDS) $(PYTEST) -n 2 --dist loadgroup -q test/red5/test_red5_renewal.py

# The kernel there has TLS; the address space is too small for AddressSanitizer.
guest        = test/lib/guest.py --seconds 3000
guest_pytest = $(PYTEST) -q -p no:xdist
ktls_tests   = tunnel half_close back_pressure any_order slow_clients resets backend_faults \
	resumption tickets alpn http http_bodies http_keep_alive http_upgrades http_errors http_expect \
	http_pipelining http_rewrites http_rtmpt http_timeouts stopping

test-ktls: all ## kernel TLS in User Mode Linux, and the integration tests with it
	$(guest) -- $(guest_pytest) test/guest
	$(guest) --without-tls -- $(guest_pytest) test/integration/test_ktls.py
	$(guest) -- env KTLS=on $(guest_pytest) $(addprefix test/integration/test_,$(addsuffix .py,$(ktls_tests)))

# Newer than User Mode Linux, and what real machines run. Slow, so the integration tests are not run there.
test-ktls-qemu: all build/kernel ## kernel TLS in qemu, which emulates all of it (5 min)
	$(guest) --qemu build/kernel -- $(guest_pytest) test/guest
	$(guest) --qemu build/kernel --without-tls -- $(guest_pytest) test/integration/test_ktls.py

# The newest that Debian's release has: unpacked, not installed.
build/kernel:
	rm -rf $@.new
	mkdir -p $@.new
	cd $@.new && apt-get -q download $$(apt-cache depends linux-image-amd64 linux-image-6.12-amd64 2>/dev/null | \
	    sed -n 's/.*Depends: \(linux-image-[0-9]\)/\1/p' | sort -V | tail -n 1)
	cd $@.new && dpkg -x linux-image-*.deb . && rm linux-image-*.deb
	PATH="$$PATH:/usr/sbin:/sbin" depmod -b $@.new "$$(ls $@.new/lib/modules)"
	mv $@.new $@

fuzz: $(fuzzers:%=fuzz-%) ## each fuzzer for FUZZ_SECONDS (60)

# What it learns stays in build/; what it finds as well, and its path is printed.
fuzz-%: build/fuzz/fuzz_%
	@mkdir -p build/fuzz/corpus/$* test/fuzz/seeds/$*
	@echo '  fuzz $*, $(FUZZ_SECONDS) s'; \
	$< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=10000 -artifact_prefix=build/fuzz/found-$*- \
	    build/fuzz/corpus/$* test/fuzz/seeds/$* >build/fuzz/$*.log 2>&1 || { cat build/fuzz/$*.log; exit 1; }; \
	tail -1 build/fuzz/$*.log

# The load for the benchmark: both ends, the clients' and the backend's.
load_objects = $(patsubst %.c,build/%.o,$(wildcard test/bench/*.c))

build/bench/load: $(load_objects)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pie -o $@ $^ -lssl -lcrypto

bench: ## install what is missing, then cost beside hitch, haproxy, nginx and stunnel (15 min)
	scripts/install-deps --build --bench
	$(MAKE) all build/bench/load
	test/bench/run.py $(BENCH)

demo: ## install what is missing, then a picture through RTMPS and a page through HTTPS
	scripts/install-deps --build --demo
	$(MAKE) all
	scripts/demo

install: all ## install into DESTDIR and PREFIX
	install -D -m 0755 build/red5-tls-proxy $(DESTDIR)$(PREFIX)/sbin/red5-tls-proxy
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/share/red5-tls-proxy/scripts \
		$(addprefix scripts/,acme-deploy fetch-ocsp firewall import-keystore install-certificate make-csr openmeetings)
	install -D -m 0644 proxy.ini $(DESTDIR)$(PREFIX)/share/doc/red5-tls-proxy/proxy.ini
	install -D -m 0644 README.md $(DESTDIR)$(PREFIX)/share/doc/red5-tls-proxy/README.md
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/red5-tls-proxy/doc doc/openmeetings.md doc/red5.md
	install -D -m 0644 doc/red5-tls-proxy.8 $(DESTDIR)$(PREFIX)/share/man/man8/red5-tls-proxy.8
	install -D -m 0644 doc/proxy.ini.5 $(DESTDIR)$(PREFIX)/share/man/man5/proxy.ini.5

clean: ## remove build/
	rm -rf build

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
