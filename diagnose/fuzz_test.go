package diagnose

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
)

// FuzzJudge: a capture may hold anything, and the objects and proxies of a cluster may as well. Whatever is changed in a real one, it
// is refused or judged, and every format can be written: no panic, no control character, and the same exit code as before.
func FuzzJudge(f *testing.F) {
	var bases [][]byte
	for _, name := range []string{"working-passthrough", "EGR017", "sni-proxy-mtls", "posture-open", "set-auto-mtls"} {
		var b bytes.Buffer
		if err := captured.Load(f, name).Save(&b); err != nil {
			f.Fatal(err)
		}
		bases = append(bases, b.Bytes())
	}
	for _, patch := range []string{
		`[{"op":"remove","path":"/snapshot/objects"}]`,
		`[{"op":"remove","path":"/snapshot/facts"}]`,
		`[{"op":"add","path":"/snapshot/proxies/0/config","value":{"listeners":[{"chains":[{}]}]}}]`,
		`[{"op":"add","path":"/snapshot/objects/virtualServices","value":[{"spec":{"tls":[{"match":[{}],"route":[{}]}],"hosts":["*"]}}]}]`,
		`[{"op":"add","path":"/snapshot/objects/serviceEntries","value":[{"spec":{"hosts":["\u001b[2J*."],"ports":[{"number":-1}]}}]}]`,
		`[{"op":"add","path":"/snapshot/seen","value":[{"Host":"x\u0000","Port":443}]}]`,
	} {
		for i := range bases {
			f.Add(uint8(i), patch)
		}
	}
	f.Fuzz(func(t *testing.T, base uint8, text string) {
		patch, err := jsonpatch.DecodePatch([]byte(text))
		if err != nil {
			return
		}
		changed, err := patch.Apply(bases[int(base)%len(bases)])
		if err != nil {
			return
		}
		s, err := snapshot.Load(bytes.NewReader(changed))
		if err != nil {
			return
		}
		r, err := Judge(s, Options{Security: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range report.Formats() {
			var b bytes.Buffer
			if err := report.Write(&b, r, format, report.Options{}); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			if i := strings.IndexFunc(b.String(), func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c == 0x7f }); i >= 0 {
				t.Errorf("%s: control character %q", format, b.String()[i:i+1])
			}
			if (format == report.JSON || format == report.SARIF) && !json.Valid(b.Bytes()) {
				t.Errorf("%s: no JSON", format)
			}
		}
	})
}
