package accesslog

import "slices"

// AppendJSON appends the row as one JSON object, without a line end: the verdict, what was asked for, and the line of each hop.
func (r *Row) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	b = appendText(b, "verdict", string(r.Verdict))
	b = appendText(b, "host", r.Host())
	for _, hop := range []struct {
		key  string
		line *Line
	}{{"sidecar", r.Sidecar}, {"gateway", r.Gateway}, {"inner", r.Inner}, {"sniProxy", r.SNIProxy}} {
		if hop.line != nil {
			b = append(append(append(comma(b), '"'), hop.key...), `":`...)
			b = hop.line.AppendJSON(b)
		}
	}
	return append(b, '}')
}

// Host is what the client asked for. The hops outside know it best: what is between sidecar and gateway may be a placeholder.
func (r *Row) Host() []byte {
	for _, l := range []*Line{r.SNIProxy, r.Inner, r.Sidecar, r.Gateway} {
		if l != nil && l.Host() != nil {
			return l.Host()
		}
	}
	return nil
}

// MatchRow says whether one of a row's lines is wanted.
func (f *Filter) MatchRow(r *Row) bool {
	return slices.ContainsFunc(r.Lines(), f.Match)
}
