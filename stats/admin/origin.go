package admin

import (
	"regexp"
	"strings"
)

// origin turns the path that istiod leaves in the metadata of what it makes, such as
// /apis/networking.istio.io/v1alpha3/namespaces/default/virtual-service/cnn, into "VirtualService default/cnn".
func origin(m wireMetadata) string {
	_, rest, ok := strings.Cut(m.Filter.Istio.Config, "/namespaces/")
	if !ok {
		return ""
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return ""
	}
	var kind strings.Builder
	for word := range strings.SplitSeq(parts[1], "-") {
		if word != "" {
			kind.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	// names that istiod makes up for Gateway API routes end in ~ and more
	name, _, _ := strings.Cut(parts[2], "~")
	return once(kind.String() + " " + parts[0] + "/" + name)
}

func regexpQuote(s string) string { return regexp.QuoteMeta(s) }
