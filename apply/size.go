package apply

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Limits of what a cluster stores, in bytes.
const (
	// MaxObject is for one object as JSON with what we own of it: etcd takes requests of 1.5 MiB (its --max-request-bytes) and says no
	// to larger ones only when they are written, when no dry run can tell any more. The API server adds its own bookkeeping, for which
	// there is room.
	MaxObject = 1536<<10 - bookkeeping
	// MaxData is for the values of a ConfigMap or Secret together (Kubernetes' MaxSecretSize).
	MaxData = 1 << 20

	bookkeeping = 4 << 10 // measured: about 600 bytes
)

// refuseTooBig refuses objects that no cluster could store. The error is an *egress.InputError.
func (p *Plan) refuseTooBig(want []*unstructured.Unstructured) error {
	for _, w := range want {
		raw, err := w.MarshalJSON()
		if err != nil {
			return fmt.Errorf("encode %s: %w", refOf(w), err)
		}
		size, limit, of := len(raw), MaxObject, "an object"
		if data := dataOf(w); data > MaxData {
			size, limit, of = data, MaxData, "the data of a "+w.GetKind()
		}
		if size <= limit {
			continue
		}
		remedy := "make it smaller"
		if p.noun() == kindSet {
			remedy = fmt.Sprintf("it has %d hosts; split it into two sets", len(p.Set.Hosts))
		}
		return egress.Inputf("%s would need %s with %d bytes, and a cluster stores at most %d in %s; %s", p.What, refOf(w), size, limit, of, remedy)
	}
	return nil
}

// dataOf is the size of the values of a ConfigMap or Secret; those of a Secret are given in base64, four bytes for three.
func dataOf(u *unstructured.Unstructured) int {
	size := 0
	data, _ := u.Object["data"].(map[string]any)
	for _, v := range data {
		text, _ := v.(string)
		if u.GetKind() == kindSecret {
			size += len(text) / 4 * 3
		} else {
			size += len(text)
		}
	}
	return size
}
