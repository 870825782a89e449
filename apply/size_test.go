package apply

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// padded is an object whose JSON has just so many bytes.
func padded(t *testing.T, text string, size int) *unstructured.Unstructured {
	t.Helper()
	o := parse(t, text)
	o.SetAnnotations(map[string]string{"a": ""})
	raw, err := o.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	o.SetAnnotations(map[string]string{"a": strings.Repeat("x", size-len(raw))})
	return o
}

// TestSizes: at the limit an object passes, and with one byte more it does not.
func TestSizes(t *testing.T) {
	t.Parallel()
	const gateway = "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: egress, namespace: team}}"
	data := func(kind string, size int) *unstructured.Unstructured {
		o := parse(t, "{apiVersion: v1, kind: "+kind+", metadata: {name: egress, namespace: team}}")
		o.Object["data"] = map[string]any{"a": strings.Repeat("x", size/2), "b": strings.Repeat("x", size-size/2)}
		return o
	}
	p := newPlan(nil, parentRef("gateway", "team", "egress"), "gateway team/egress")
	for name, tt := range map[string]struct {
		object *unstructured.Unstructured
		want   string
	}{
		"object":            {padded(t, gateway, MaxObject), ""},
		"object and a byte": {padded(t, gateway, MaxObject+1), "gateway team/egress would need Gateway team/egress with 1568769 bytes, and a cluster stores at most 1568768 in an object; make it smaller"},
		"map":               {data("ConfigMap", MaxData), ""},
		"map and a byte":    {data("ConfigMap", MaxData+1), "gateway team/egress would need ConfigMap team/egress with 1048577 bytes, and a cluster stores at most 1048576 in the data of a ConfigMap; make it smaller"},
		"secret":            {data("Secret", MaxData/3*4), ""},
		"secret and more":   {data("Secret", MaxData/3*4+16), "gateway team/egress would need Secret team/egress with 1048584 bytes, and a cluster stores at most 1048576 in the data of a Secret; make it smaller"},
	} {
		err := p.refuseTooBig([]*unstructured.Unstructured{tt.object})
		var input *egress.InputError
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (err == nil || err.Error() != tt.want || !errors.As(err, &input)):
			t.Errorf("%s: got  %v\nwant %s", name, err, tt.want)
		}
	}
}

// TestSetsTooBig: in every mode the object that grows most is found out before anything is written, and what is a little smaller is
// planned.
func TestSetsTooBig(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mode, mtls string
		hosts      int
		wildcard   bool
		long       bool // names of 250 characters
		object     string
	}{
		"auto":                         {mode: "auto", mtls: "on", hosts: 6000, object: "Gateway default/egress-big"},
		"http":                         {mode: "http", mtls: "on", hosts: 12000, object: "Gateway default/egress-big"},
		"passthrough without mTLS":     {mode: "passthrough", mtls: "off", hosts: 4200, long: true, object: "ConfigMap default/egress-big"},
		"sni-dynamic":                  {mode: "sni-dynamic", mtls: "on", hosts: 3500, wildcard: true, object: "EnvoyFilter istio-system/egress-big.default"},
		"sni-dynamic without mTLS":     {mode: "sni-dynamic", mtls: "off", hosts: 3200, wildcard: true, object: "EnvoyFilter istio-system/egress-big.default"},
		"direct":                       {mode: "direct", hosts: 4200, long: true, object: "ConfigMap default/egress-big"},
		"auto with the longest names":  {mode: "auto", mtls: "on", hosts: 2000, long: true, object: "Gateway default/egress-big"},
		"auto, as long as it will fit": {mode: "auto", mtls: "on", hosts: 1850, long: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := egress.Declaration{Name: "big", Mode: tt.mode, MTLS: tt.mtls}
			for i := range tt.hosts {
				host := fmt.Sprintf("h%05d.example.com", i)
				if tt.long {
					host = fmt.Sprintf("h%05d.%s.example.com", i, strings.Repeat(strings.Repeat("x", 56)+".", 4)+"xxx")
				}
				if tt.wildcard {
					host = "*." + host
				}
				d.Domains = append(d.Domains, host)
			}
			w := newWorld(t)
			set := declare(t, d)
			if tt.object == "" {
				w.plan(set, Options{})
				return
			}
			err := w.refusal(set, Options{})
			var input *egress.InputError
			if !errors.As(err, &input) || !strings.HasPrefix(err.Error(), "set default/big would need "+tt.object+" with ") ||
				!strings.HasSuffix(err.Error(), fmt.Sprintf("; it has %d hosts; split it into two sets", tt.hosts)) {
				t.Errorf("%v", err)
			}
		})
	}
}
