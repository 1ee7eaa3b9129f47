package usbip

import "encoding/binary"

// Standard requests of chapter 9.
const (
	reqGetStatus     = 0
	reqClearFeature  = 1
	reqSetFeature    = 3
	reqSetAddress    = 5
	reqGetDescriptor = 6
	reqGetConfig     = 8
	reqSetConfig     = 9
	reqGetInterface  = 10
	reqSetInterface  = 11
)

const (
	typeMask      = 0x60
	recipientMask = 0x1f
	toEndpoint    = 2
	featureHalt   = 0
)

func parseSetup(b [8]byte) Setup {
	return Setup{
		Type: b[0], Request: b[1],
		Value: binary.LittleEndian.Uint16(b[2:]), Index: binary.LittleEndian.Uint16(b[4:]), Length: binary.LittleEndian.Uint16(b[6:]),
	}
}

// standard answers a request of chapter 9; ErrStall says the device has no
// such thing, as a real one does.
func (s *session) standard(r Setup) ([]byte, error) {
	switch r.Request {
	case reqGetDescriptor:
		return s.descriptor(r)
	case reqGetStatus:
		status := byte(0)
		if r.Type&recipientMask == toEndpoint && s.isHalted(byte(r.Index)) {
			status = 1
		}
		return []byte{status, 0}, nil
	case reqGetConfig:
		return []byte{s.config}, nil
	case reqSetConfig:
		if r.Value > 1 {
			return nil, ErrStall
		}
		s.config = byte(r.Value)
		clear(s.alternate)
		s.unhalt(0, true)
		return nil, nil
	case reqGetInterface:
		return []byte{s.alternate[byte(r.Index)]}, nil
	case reqSetInterface:
		return nil, s.setInterface(byte(r.Index), byte(r.Value))
	case reqClearFeature:
		if r.Type&recipientMask == toEndpoint && r.Value == featureHalt {
			s.unhalt(byte(r.Index), false)
		}
		return nil, nil
	case reqSetFeature, reqSetAddress:
		return nil, nil
	}
	return nil, ErrStall
}

func (s *session) descriptor(r Setup) ([]byte, error) {
	kind, index := byte(r.Value>>8), byte(r.Value)
	switch kind {
	case descDevice:
		return s.desc.device(), nil
	case descConfig:
		if index == 0 {
			return s.desc.configuration(), nil
		}
	case descString:
		if b, ok := s.desc.str(index); ok {
			return b, nil
		}
	default:
		// a class descriptor, as of an interface
		for _, i := range s.desc.Interfaces {
			for e := i.Extra; len(e) >= 2 && int(e[0]) >= 2 && int(e[0]) <= len(e); e = e[e[0]:] {
				if e[1] == kind && i.Number == byte(r.Index) {
					return e[:e[0]], nil
				}
			}
		}
	}
	return nil, ErrStall
}

func (s *session) setInterface(number, alternate byte) error {
	for _, i := range s.desc.Interfaces {
		if i.Number != number || i.Alternate != alternate {
			continue
		}
		if a, ok := s.dev.(AltSetter); ok {
			if err := a.SetInterface(number, alternate); err != nil {
				return err
			}
		}
		s.alternate[number] = alternate
		for _, e := range i.Endpoints {
			s.unhalt(e.Address, false)
		}
		return nil
	}
	return ErrStall
}
