package offline

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const printedThere = "../../../testdata/documents"

// block is a YAML block that a document prints, as it stands there.
func block(t *testing.T, folder, number string) []byte {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.FromSlash(printedThere), folder, number+"-*.yaml"))
	if err != nil || len(found) != 1 {
		t.Fatalf("block %s of %s: %v, %v", number, folder, found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestDocumentsAlone judges what each document prints by its objects alone, as it stands there: what works on a cluster raises no
// alarm, and where a document is wrong it is told.
func TestDocumentsAlone(t *testing.T) {
	t.Parallel()
	const (
		task   = "configure-an-egress-gateway"
		wild   = "configure-egress-gateway-for-https-traffic-to-wildcarded-domains"
		direct = "egress-using-wildcard-hosts"
		origin = "egress-gateways-with-tls-origination"
		blog   = "routing-https-tls-traffic-to-arbitrary-remote-destinations"
	)
	for _, d := range []struct{ folder, blocks, bad string }{
		{task, "01 03 04", ""},
		{task, "01 02 04", ""},
		{task, "05 07 08", ""},
		{task, "05 06 08", ""},
		{task, "09 11 12", ""},
		{task, "09 10 12", "fail EGR012 edition.cnn.com:443"}, // a tls route on a server that ends TLS
		{wild, "01 02 03", ""},
		{wild, "06 07 08 09", ""},
		{direct, "01", ""},
		{direct, "02 03", ""}, // no ServiceEntry has the wildcard: the routes hang on that of the common host
		{direct, "01 02 03", ""},
		{direct, "02", "fail EGR002 *.wikipedia.org:443"}, // without it they hang on nothing
		{direct, "06 07 08", ""},
		{origin, "01 02 03", ""},
		{origin, "07 08 09", ""},
		{blog, "01", ""},
	} {
		files := map[string][]byte{}
		for number := range strings.FieldsSeq(d.blocks) {
			files[number+".yaml"] = block(t, d.folder, number)
		}
		if got := bad(loaded(t, files)); !slices.Equal(got, strings.FieldsFunc(d.bad, func(r rune) bool { return r == '\n' })) {
			t.Errorf("%s, blocks %s: %q", d.folder, d.blocks, got)
		}
	}
}
