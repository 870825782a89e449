package admin

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// collect takes the members of an object apart, as the scanner sees them.
func collect(r io.Reader) (map[string]string, error) {
	got := map[string]string{}
	s := newScanner(r)
	err := s.object(func(name string) error {
		raw, err := s.value(nil)
		got[name] = string(raw)
		return err
	})
	return got, err
}

func TestScannerTakesValues(t *testing.T) {
	t.Parallel()
	text := ` { "a" : 1 , "b":"x\"}\\", "c":[1,{"d":"]"}] ,"e":{},"f":null,"g":-1.5e3,"h":[],"i":"` + strings.Repeat("ä", 70000) + `" }`
	want := map[string]string{
		"a": "1", "b": `"x\"}\\"`, "c": `[1,{"d":"]"}]`, "e": "{}", "f": "null", "g": "-1.5e3", "h": "[]",
		"i": `"` + strings.Repeat("ä", 70000) + `"`,
	}
	for name, r := range map[string]io.Reader{
		"at once":      strings.NewReader(text),
		"byte by byte": iotest.OneByteReader(strings.NewReader(text)),
		"with the end": iotest.DataErrReader(strings.NewReader(text)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := collect(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestScannerRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":      {``, "unexpected EOF"},
		"cut":          {`{"a":{"b":`, "unexpected EOF"},
		"cut string":   {`{"a":"b`, "unexpected EOF"},
		"no value":     {`{"a":}`, "a value is missing"},
		"no name":      {`{a:1}`, "where a name was expected"},
		"no colon":     {`{"a" 1}`, `where ':' was expected`},
		"no comma":     {`{"a":1 "b":2}`, `where ',' was expected`},
		"no object":    {`[1]`, `where '{' was expected`},
		"nested":       {`{"a":` + strings.Repeat("[", maxDepth+1), "nested too deep"},
		"a long piece": {`{"a":"` + strings.Repeat("x", maxPiece) + `"}`, "more than 32 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := collect(strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one that says %q", err, tt.want)
			}
		})
	}
}

// TestScannerKeepsTheReadersError holds a broken connection apart from a text that ends too early.
func TestScannerKeepsTheReadersError(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	r := io.MultiReader(strings.NewReader(`{"a":[`), iotest.ErrReader(broken))
	if _, err := collect(r); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's own error", err)
	}
}

// FuzzScanner: whatever encoding/json takes as an object, the scanner takes apart the same way.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":"\"","b":[{}]}`, `{ }`, `{"a":{"b":[1,2,{"c":null}]}}`, `{"a":tru`, `{"":0}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := collect(strings.NewReader(text))
		var want map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil || want == nil {
			return
		}
		if err != nil {
			t.Fatalf("refused %q: %v", text, err)
		}
		for name, raw := range want {
			if strings.ContainsAny(name, "\\\uFFFD\"") || strings.Contains(text, `\u`) {
				return // names that are escaped in the text
			}
			if g := got[name]; g != string(raw) {
				t.Errorf("%q: got %q, want %q", name, g, raw)
			}
		}
	})
}

// TestScannerPrunes: what nobody reads is not even decoded; what is beside it stays as it was, wherever a chunk of the text ends.
func TestScannerPrunes(t *testing.T) {
	t.Parallel()
	text := `{"a":{"access_log": [ {"x":"]}\""} ],"name":"access_log","b":[{"sds_config":{},"c":1}],"decorator":null},"access_log":[1]}`
	want := map[string]string{"a": `{"access_log":true,"name":"access_log","b":[{"sds_config":true,"c":1}],"decorator":true}`, "access_log": "[1]"}
	got, err := collect(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for cut := range len(text) {
		got, err := collect(io.MultiReader(strings.NewReader(text[:cut]), strings.NewReader(text[cut:])))
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		var a struct {
			AccessLog present `json:"access_log"`
			Name      string  `json:"name"`
			B         []struct{ C int }
		}
		if err := json.Unmarshal([]byte(got["a"]), &a); err != nil {
			t.Fatalf("cut at %d: %v: %s", cut, err, got["a"])
		}
		if !a.AccessLog || a.Name != "access_log" || len(a.B) != 1 || a.B[0].C != 1 {
			t.Errorf("cut at %d: %s", cut, got["a"])
		}
	}
}
