package counter

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecord(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ now, want string }{
		"nothing":                              {"", Annotation()},
		"again":                                {Annotation(), Annotation()},
		"a null":                               {"null", Annotation()},
		"to the letter, if nothing is missing": {"# mine\n" + Annotation(), "# mine\n" + Annotation()},
		"beside others": {
			"concurrency: 2\nproxyStatsMatcher: {inclusionPrefixes: [http], inclusionRegexps: ['mine.*']}\n",
			"concurrency: 2\nproxyStatsMatcher:\n  inclusionPrefixes:\n  - http\n  inclusionRegexps:\n  - mine.*\n" +
				strings.TrimPrefix(Annotation(), "proxyStatsMatcher:\n  inclusionRegexps:\n"),
		},
		"JSON": {`{"holdApplicationUntilProxyStarts":true}`, "holdApplicationUntilProxyStarts: true\n" + Annotation()},
	} {
		got, err := Record(test.now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	for _, now := range []string{"[", "a list", "proxyStatsMatcher: 3", "proxyStatsMatcher: {inclusionRegexps: no}", "- a"} {
		if got, err := Record(now); err == nil || !strings.Contains(err.Error(), ConfigAnnotation) {
			t.Errorf("%q: %q, %v", now, got, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("concurrency: 2\nproxyStatsMatcher: {inclusionRegexps: [a]}")
	f.Add(Annotation())
	f.Fuzz(func(t *testing.T, now string) {
		once, err := Record(now)
		if err != nil {
			return
		}
		if twice, err := Record(once); err != nil || twice != once {
			t.Fatalf("%q: recorded once %q, twice %q, %v", now, once, twice, err)
		}
	})
}
