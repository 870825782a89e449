package build

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/pki"
)

func TestOutsideCA(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first, err := outsideCA(s)
	if err != nil {
		t.Fatal(err)
	}
	second, err := outsideCA(s)
	if err != nil || cmp.Diff(first, second) != "" {
		t.Errorf("it must stay the same, the images hold it: %v", err)
	}
	a, err := pki.ParseAuthority(first)
	if err != nil || !a.Signed(a.Cert, time.Now().Add(9*365*24*time.Hour)) {
		t.Errorf("it must last for years: %v", err)
	}
	if err := os.WriteFile(s.Outside("ca.key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := outsideCA(s); err == nil || !strings.Contains(err.Error(), s.Outside()) {
		t.Errorf("a damaged CA: %v", err)
	}
}
