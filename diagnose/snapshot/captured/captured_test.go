package captured

import (
	"slices"
	"testing"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	names := Names(t)
	if !slices.IsSorted(names) || !slices.Contains(names, "working-passthrough") {
		t.Errorf("captures: %q", names)
	}
	if s := Load(t, "working-passthrough"); len(s.Proxies) == 0 || len(s.Objects.VirtualServices) == 0 {
		t.Errorf("%d proxies, %d VirtualServices", len(s.Proxies), len(s.Objects.VirtualServices))
	}
}
