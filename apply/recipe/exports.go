package recipe

import "slices"

// exportTo says who sees an object that is in namespace at. Where the set says nothing and the mesh exports to everybody it is empty.
// Otherwise both ends of the path must see the object: the clients, and the gateway.
func (d *draft) exportTo(meshDefault []string, at string) []string {
	clients := d.set.ExportTo
	switch {
	case slices.Contains(clients, "*"):
		return []string{"*"}
	case len(clients) > 0:
	case len(meshDefault) == 0 || slices.Contains(meshDefault, "*"):
		return nil
	default:
		clients = []string{"."}
	}
	seen := []string{at, d.gateway.Namespace}
	for _, c := range clients {
		if c == "." {
			c = d.set.Namespace
		}
		seen = append(seen, c)
	}
	return relative(seen, at)
}

// exportToGateway lets only the gateway see an object that is in namespace at. Before 1.7 Istio could not name other namespaces
// there, and 1.0 did not know the field.
func (d *draft) exportToGateway(at string) []string {
	if d.older(1) || d.older(7) && at != d.gateway.Namespace {
		return nil
	}
	return relative([]string{d.gateway.Namespace}, at)
}

// relative writes namespaces as exportTo has them: the object's own is ".", which comes first, the others sorted.
func relative(namespaces []string, at string) []string {
	out := make([]string, 0, len(namespaces))
	for _, ns := range namespaces {
		switch ns {
		case "":
		case at:
			out = append(out, ".")
		default:
			out = append(out, ns)
		}
	}
	slices.Sort(out) // "." sorts before every letter and digit
	return slices.Compact(out)
}
